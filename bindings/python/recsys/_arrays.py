"""NumPy arrays in the form that C reads: contiguous, of one type, kept alive by the caller."""
from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy as np

Array = np.ndarray[Any, Any]
Ids = Union[int, str, Sequence[int], Sequence[str], Array]

_LOSSLESS = {"f": "fiub", "i": "iub", "u": "iub"}


def array(values: Any, dtype: Any, name: str, shape: Optional[tuple[Optional[int], ...]] = None) -> Array:
    """A C-contiguous array of `dtype`, copied only where it must be; None in `shape` stands for any length.

    Whole numbers are not made of fractions: that is a TypeError.
    """
    wanted = np.dtype(dtype)
    made = np.asarray(values)
    if made.size and made.dtype.kind not in _LOSSLESS[wanted.kind]:
        raise TypeError(f"{name} must be numbers that fit {wanted.name}, not {made.dtype}")
    if made.size and wanted.kind in "iu" and made.dtype != wanted:
        limits = np.iinfo(wanted)
        if int(made.min()) < limits.min or int(made.max()) > limits.max:
            raise TypeError(f"{name} must lie in {limits.min}..{limits.max}")
    if shape is not None and (
        made.ndim != len(shape) or any(want is not None and want != have for want, have in zip(shape, made.shape))
    ):
        told = " x ".join("n" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} must have the shape {told}, not {' x '.join(map(str, made.shape)) or 'a single number'}")
    return np.ascontiguousarray(made, dtype=wanted)


def optional(values: Any, dtype: Any, name: str, n: int) -> Optional[Array]:
    """`array` of n values, or None."""
    return None if values is None else array(values, dtype, name, (n,))


def address(values: Optional[Array]) -> Optional[int]:
    """Where the numbers lie; None for None."""
    if values is None:
        return None
    buffer: Any = values
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(buffer))  # a quarter of the time of values.ctypes.data
    except (TypeError, ValueError):  # read-only, or without a single number
        return int(values.ctypes.data)


def strings(values: Union[str, Sequence[str]], n: int, name: str) -> Any:
    """A char ** of n strings; one string stands for n equal ones. The result keeps them alive, and is passed as it is."""
    listed = [values] * n if isinstance(values, str) else list(values)
    if len(listed) != n:
        raise ValueError(f"{name} has {len(listed)} entries, not {n}")
    for text in listed:
        if not isinstance(text, str):
            raise TypeError(f"{name} must be strings, not {type(text).__name__}")
    return (ctypes.c_char_p * max(n, 1))(*[text.encode("utf-8") for text in listed])
