"""Pictures for a model: files, encoded bytes, NumPy arrays, Pillow images."""
from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional, Union, cast

import numpy as np

from . import _abi
from ._arrays import address

_BY_CHANNELS = {1: _abi.PIXELS_GRAY, 3: _abi.PIXELS_RGB, 4: _abi.PIXELS_RGBA}


class Crop(NamedTuple):
    """A picture and the part of it to use, in pixels of the upright picture."""

    image: Any
    x: int
    y: int
    width: int
    height: int


Image = Union[str, bytes, "os.PathLike[str]", "np.ndarray[Any, Any]", Crop, Any]
"""A path (``str`` or ``os.PathLike``), an encoded JPEG or PNG (``bytes``, ``bytearray``, ``memoryview``), 8-bit pixels
(height x width, or height x width x 1, 3 (RGB) or 4 (RGBA)), a Pillow image, or one of them in a ``Crop``."""


def _set_pixels(made: _abi.Image, pixels: np.ndarray[Any, Any], kept: list[Any]) -> None:
    channels = 1 if pixels.ndim == 2 else pixels.shape[2] if pixels.ndim == 3 else 0
    if pixels.dtype != np.uint8 or channels not in _BY_CHANNELS:
        raise TypeError(
            "pixels must be uint8, height x width or height x width x 1, 3 or 4, not "
            f"{pixels.dtype} of shape {pixels.shape}"
        )
    # C takes a distance between rows, but within a row pixels must lie side by side.
    inner = pixels.strides[1:] == ((channels, 1) if pixels.ndim == 3 else (1,))
    if not inner or pixels.strides[0] < pixels.shape[1] * channels:
        pixels = np.ascontiguousarray(pixels)
    kept.append(pixels)
    height, width = pixels.shape[:2]
    stride = pixels.strides[0] if pixels.size else 0
    made.kind = _abi.IMAGE_PIXELS
    made.format = _BY_CHANNELS[channels]
    made.width, made.height, made.stride = width, height, stride
    made.data = address(pixels)
    made.size = (height - 1) * stride + width * channels if pixels.size else 0


def _set_pillow(made: _abi.Image, image: Any, kept: list[Any]) -> None:
    mode = image.mode
    if mode not in ("L", "RGB", "RGBA"):
        image = image.convert("RGBA" if mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info else "RGB")
    _set_pixels(made, np.asarray(image), kept)


def _set(made: _abi.Image, image: Image, kept: list[Any]) -> None:
    if isinstance(image, Crop):
        _set(made, image.image, kept)
        made.crop_x, made.crop_y, made.crop_width, made.crop_height = image[1:]
        return
    if isinstance(image, (str, os.PathLike)):
        path = os.fsencode(image)
        if b"\0" in path:
            raise ValueError("a path has a zero byte in it")
        made.kind, made.path = _abi.IMAGE_FILE, path
        kept.append(path)
        return
    if isinstance(image, (bytes, bytearray, memoryview)):
        data = np.frombuffer(image, np.uint8)
        kept.append(data)
        made.kind, made.data, made.size = _abi.IMAGE_BYTES, address(data), data.size
        return
    if isinstance(image, np.ndarray):
        _set_pixels(made, image, kept)
        return
    if hasattr(image, "mode") and hasattr(image, "convert") and hasattr(image, "info"):
        _set_pillow(made, image, kept)
        return
    raise TypeError(f"{type(image).__name__} is no picture: give a path, bytes, uint8 pixels, or a Pillow image")


def images(given: Union[Image, Sequence[Image]]) -> tuple[Any, int, list[Any]]:
    """recsys_image[n], n, and what must live as long as they are used. One array of n x height x width x channels
    pixels is n pictures."""
    single = isinstance(given, (str, os.PathLike, bytes, bytearray, memoryview, Crop)) or hasattr(given, "convert")
    single = single or (isinstance(given, np.ndarray) and (given.ndim == 2 or given.ndim == 3))
    listed: list[Any] = [given] if single else list(cast("Sequence[Any]", given))
    made = (_abi.Image * max(len(listed), 1))()
    kept: list[Any] = [made]
    for i, image in enumerate(listed):
        _set(made[i], image, kept)
    return made, len(listed), kept


def statuses(n: int) -> np.ndarray[Any, Any]:
    """An int32 array for n statuses."""
    return np.zeros(n, np.int32)


Progress = Optional[Any]
"""``progress(phase, done, total)``: called during long work; a true result cancels. ``tqdm``: see ``recsys.bar``."""
