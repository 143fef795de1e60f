"""Finds the C library, declares its functions, and keeps what all handles share."""
from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import Any, Optional, Union

from . import _abi, errors

_NAME = f"librecsys.so.{_abi.VERSION_MAJOR}.{_abi.VERSION_MINOR}"
Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


def _find() -> str:
    """RECSYS_LIBRARY (a file, or "system": what the dynamic linker finds), else the one in this package."""
    chosen = os.environ.get("RECSYS_LIBRARY")
    if chosen == "system":
        return _NAME
    if chosen:
        return chosen
    packaged = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib", _NAME)
    return packaged if os.path.exists(packaged) else _NAME


def _load() -> ctypes.CDLL:
    path = _find()
    try:
        library = ctypes.CDLL(path)
    except OSError as reason:
        raise ImportError(
            f"the C library of recsys could not be loaded ({reason}): install this package with pip, which builds it, "
            "or set RECSYS_LIBRARY to a librecsys.so, or to 'system' for an installed one"
        ) from None
    for name, (result, arguments) in _abi.FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(f"{path} has no {name}: install the library and these bindings from one release") from None
        function.restype = result
        function.argtypes = arguments
    version = library.recsys_version()
    if version // 1000 != _abi.VERSION_MAJOR * 1000 + _abi.VERSION_MINOR:
        raise ImportError(
            f"{path} is version {version // 1000000}.{version // 1000 % 1000}, these bindings need "
            f"{_abi.VERSION_MAJOR}.{_abi.VERSION_MINOR}: install the two from one release"
        )
    return library


lib = _load()


def version() -> str:
    """The version of the C library, such as ``"0.1.0"``."""
    number = lib.recsys_version()
    return f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}"


def encode(text: Optional[str]) -> Optional[bytes]:
    """A string for C."""
    return None if text is None else text.encode("utf-8")


def encode_path(path: Path) -> bytes:
    """A path for C: bytes for the operating system."""
    return os.fsencode(path)


def check(status: int, error: _abi.Error) -> None:
    """Raises for a failed call."""
    if status < 0:
        raise errors.of(error)


def text_of(call: Callable[[Any, int, Any, Any], int], start: int = 1024) -> str:
    """The text of a function that fills a buffer: call(buffer, size, length, error) -> status."""
    size = start
    while True:
        buffer, length, error = ctypes.create_string_buffer(size), ctypes.c_size_t(), _abi.Error()
        check(call(buffer, size, ctypes.addressof(length), ctypes.byref(error)), error)
        if length.value < size:
            return buffer.raw[: length.value].decode("utf-8", "replace")
        size = length.value + 1


_TRAIN_FIELDS = [field[0] for field in _abi.TrainProgress._fields_ if field[0] != "struct_size"]


class Watch:
    """Callbacks into Python for one call or one handle; an exception in one cancels, and is raised when C returns."""

    def __init__(self) -> None:
        self.raised: Optional[BaseException] = None
        self._kept: list[Any] = []

    def _guard(self, function: Callable[..., Any], *arguments: Any) -> int:
        if self.raised is not None:
            return 1
        try:
            return 1 if function(*arguments) else 0
        except BaseException as reason:  # KeyboardInterrupt, too: C must return first
            self.raised = reason
            return 1

    def _keep(self, callback: Any) -> Any:
        self._kept.append(callback)
        return callback

    def progress(self, function: Optional[Callable[[str, int, int], Any]]) -> Any:
        """function(phase, done, total); a true result cancels."""
        if function is None:
            return _abi.PROGRESS()

        def tell(_user: Any, phase: Optional[bytes], done: int, total: int) -> int:
            return self._guard(function, (phase or b"").decode(), done, total)

        return self._keep(_abi.PROGRESS(tell))

    def train_progress(self, function: Optional[Callable[[dict[str, Any]], Any]]) -> Any:
        """function(now) with the fields of recsys_train_progress as a dict; a true result cancels."""
        if function is None:
            return _abi.TRAIN_PROGRESS()

        def tell(_user: Any, now: Any) -> int:
            fields = {name: getattr(now.contents, name) for name in _TRAIN_FIELDS}
            fields["phase"] = (fields["phase"] or b"").decode()
            return self._guard(function, fields)

        return self._keep(_abi.TRAIN_PROGRESS(tell))

    def log(self, function: Optional[Callable[[int, str], Any]]) -> Any:
        """function(level, message); 1 error, 2 warning, 3 info."""
        if function is None:
            return _abi.LOG()

        def tell(_user: Any, level: int, message: bytes) -> None:
            self._guard(function, level, message.decode("utf-8", "replace"))

        return self._keep(_abi.LOG(tell))

    def check(self, status: int, error: _abi.Error) -> None:
        """Raises what a callback has raised, else what C has reported."""
        if self.raised is not None:
            reason, self.raised = self.raised, None
            raise reason
        check(status, error)


class Handle:
    """An opaque C object: closed by ``close``, a ``with`` block, or when nothing refers to it any more.

    Closing while another thread is inside a call waits for that call to end.
    """

    _close_function = ""

    def __init__(self, address: int, watch: Optional[Watch] = None) -> None:
        self._address: Optional[int] = address
        self._watch = watch  # its log callback lives as long as the handle
        self._lock = threading.Lock()
        self._users = 0
        self._closing = False

    def _enter(self) -> int:
        with self._lock:
            if self._closing or self._address is None:
                raise ValueError(f"this {type(self).__name__} is closed")
            self._users += 1
            return self._address

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._closing or self._users:
                return
            address, self._address = self._address, None
        if address is not None:
            getattr(lib, self._close_function)(address)

    def _call(self, name: str, *arguments: Any) -> None:
        """lib.name(handle, *arguments, error), raising for a failure."""
        error = _abi.Error()
        address = self._enter()
        try:
            status = getattr(lib, name)(address, *arguments, ctypes.byref(error))
        finally:
            self._leave()
        if self._watch is not None:
            self._watch.check(status, error)
        else:
            check(status, error)

    def _watched(self, watch: Watch, name: str, *arguments: Any) -> None:
        """The same, with callbacks."""
        error = _abi.Error()
        address = self._enter()
        try:
            status = getattr(lib, name)(address, *arguments, ctypes.byref(error))
        finally:
            self._leave()
        watch.check(status, error)

    def _text(self, name: str, *arguments: Any) -> str:
        address = self._enter()
        try:
            function = getattr(lib, name)
            return text_of(lambda *rest: function(address, *arguments, *rest))
        finally:
            self._leave()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closing or self._address is None

    def close(self) -> None:
        """Frees what it holds. Closing twice does nothing."""
        with self._lock:
            self._closing = True
            if self._users:
                return  # the last call that ends closes
            address, self._address = self._address, None
        if address is not None:
            getattr(lib, self._close_function)(address)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_address", None) is not None:
            self.close()


def options(struct: type[ctypes.Structure], **fields: Any) -> Any:
    """An options struct with struct_size and these fields; None leaves the default."""
    made = struct(ctypes.sizeof(struct))
    for name, value in fields.items():
        if value is not None:
            setattr(made, name, value)
    return made


def open_handle(name: str, *arguments: Any, watch: Optional[Watch] = None) -> int:
    """lib.name(&handle, *arguments, error): the new handle's address."""
    handle, error = ctypes.c_void_p(), _abi.Error()
    status = getattr(lib, name)(ctypes.byref(handle), *arguments, ctypes.byref(error))
    (watch or Watch()).check(status, error)
    assert handle.value is not None
    return handle.value
