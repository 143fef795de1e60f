"""Exceptions: one class per status of the C library, each also of the built-in kind that people would catch."""
from __future__ import annotations

from typing import Any, Optional

import numpy as np

from . import _abi


class RecsysError(Exception):
    """A failure that the library reports.

    Attributes:
        status: the C status, such as ``-8``; ``name`` is its name, such as ``"RECSYS_ENOTFOUND"``.
        detail: the number beneath, where there is one: errno, an SQLite code, a row.
    """

    status = _abi.EINTERNAL

    def __init__(self, message: str, detail: int = 0) -> None:
        super().__init__(message)
        self.detail = detail

    @property
    def name(self) -> str:
        """The status' name in C."""
        return "RECSYS_" + next(k for k, v in _NAMES.items() if v is type(self))


class InvalidArgument(RecsysError, ValueError):
    """An argument is impossible: NaN, out of range, an unknown name."""

    status = _abi.EINVAL


class NoMemory(RecsysError, MemoryError):
    """Memory could not be had, or a stated memory limit forbids it."""

    status = _abi.ENOMEM


class InputOutput(RecsysError, OSError):
    """The operating system could not open, read, write or sync."""

    status = _abi.EIO


class BadFormat(RecsysError, ValueError):
    """A file or a picture is damaged, truncated, or not of the expected kind."""

    status = _abi.EFORMAT


class BadVersion(RecsysError):
    """A file or an engine is of a version that this library does not know."""

    status = _abi.EVERSION


class Unsupported(RecsysError, NotImplementedError):
    """Well-formed, but not supported: an option, an operation, a picture type."""

    status = _abi.EUNSUPPORTED


class LimitReached(RecsysError):
    """A limit on bytes, pixels, scans or counts was reached before anything was allocated."""

    status = _abi.ELIMIT


class NotFound(RecsysError, LookupError):
    """No such file, item, user, key, field, layer or space."""

    status = _abi.ENOTFOUND


class Busy(RecsysError, TimeoutError):
    """Another process holds the store's lock for longer than the timeout."""

    status = _abi.EBUSY


class ReadOnly(RecsysError, PermissionError):
    """The store or its folder cannot be written."""

    status = _abi.EREADONLY


class DiskFull(RecsysError, OSError):
    """The disk is full; what was stored before is intact."""

    status = _abi.EFULL


class Mismatch(RecsysError, ValueError):
    """Another fingerprint, dimension or shape than what is there."""

    status = _abi.EMISMATCH


class Cancelled(RecsysError):
    """A progress callback asked to stop."""

    status = _abi.ECANCELLED


class Partial(RecsysError):
    """Some rows of a batch failed; the others are valid.

    Attributes:
        statuses: int32, one per row: 0 where it succeeded.
        result: what the call would have returned; failed rows are zeros, empty lists or -1.
    """

    status = _abi.EPARTIAL

    def __init__(
        self, message: str, detail: int = 0, statuses: Optional[np.ndarray[Any, Any]] = None, result: Any = None
    ) -> None:
        super().__init__(message, detail)
        self.statuses = statuses
        self.result = result


class NoEngine(RecsysError, RuntimeError):
    """No engine can run the network here: not built, not found, or unfit."""

    status = _abi.ENOENGINE


class EngineFailed(RecsysError, RuntimeError):
    """The engine failed while running."""

    status = _abi.EENGINE


class Forked(RecsysError, RuntimeError):
    """The handle's engine belongs to the parent process; open a new model."""

    status = _abi.EFORKED


class NotFitted(RecsysError, RuntimeError):
    """The ranker was not fitted yet."""

    status = _abi.ENOTFITTED


class InternalError(RecsysError, RuntimeError):
    """A bug in the library."""

    status = _abi.EINTERNAL


_NAMES: dict[str, type[RecsysError]] = {
    "EINVAL": InvalidArgument,
    "ENOMEM": NoMemory,
    "EIO": InputOutput,
    "EFORMAT": BadFormat,
    "EVERSION": BadVersion,
    "EUNSUPPORTED": Unsupported,
    "ELIMIT": LimitReached,
    "ENOTFOUND": NotFound,
    "EBUSY": Busy,
    "EREADONLY": ReadOnly,
    "EFULL": DiskFull,
    "EMISMATCH": Mismatch,
    "ECANCELLED": Cancelled,
    "EPARTIAL": Partial,
    "ENOENGINE": NoEngine,
    "EENGINE": EngineFailed,
    "EFORKED": Forked,
    "ENOTFITTED": NotFitted,
    "EINTERNAL": InternalError,
}
BY_STATUS = {cls.status: cls for cls in _NAMES.values()}


def of(error: _abi.Error) -> RecsysError:
    """The exception for a failed call's recsys_error."""
    message = error.message.decode("utf-8", "replace")
    return BY_STATUS.get(error.status, InternalError)(message, error.detail)
