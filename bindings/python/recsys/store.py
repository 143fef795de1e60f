"""The catalogue: items, keys, labels, embeddings, ratings; search."""
from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Optional, Union

import numpy as np

from . import _abi, errors
from ._arrays import Array, Ids, address, array, optional, strings
from ._library import Handle, Path, Watch, encode, encode_path, open_handle, options
from .filters import Filter, reference

_KINDS = {"item": _abi.ITEMS, "user": _abi.USERS}
_METRICS = {"cosine": _abi.METRIC_COSINE, "euclidean": _abi.METRIC_EUCLIDEAN}

Progress = Optional[Callable[[str, int, int], Any]]
_list = list  # Store.list hides it in annotations


def _metric(name: str) -> int:
    if name not in _METRICS:
        raise ValueError(f'metric is "cosine" or "euclidean", not {name!r}')
    return _METRICS[name]


class Entry(NamedTuple):
    """One place of a list."""

    item: int
    score: float


class Lists:
    """n lists of up to k entries.

    Attributes:
        ids: int64, n x k; unused places are -1.
        scores: float64, n x k; unused places are 0.
        counts: uint32, n: the entries of each list.
        statuses: int32, n: 0, a note (``recsys.NOTE_...``), or a failed row's status.
        sources: uint8, n x k (``recsys.SOURCE_...``), of a ranker's lists; else None.

    ``lists[i]`` is the i-th one as a list of ``Entry(item, score)``.
    """

    def __init__(self, n: int, k: int, sources: bool = False) -> None:
        self.ids: Array = np.empty((n, k), np.int64)
        self.scores: Array = np.empty((n, k), np.float64)
        self.counts: Array = np.zeros(n, np.uint32)
        self.statuses: Array = np.zeros(n, np.int32)
        self.sources: Optional[Array] = np.zeros((n, k), np.uint8) if sources else None

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, i: int) -> list[Entry]:
        count = int(self.counts[i])
        return [Entry(item, score) for item, score in zip(self.ids[i, :count].tolist(), self.scores[i, :count].tolist())]

    def __iter__(self) -> Iterator[list[Entry]]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"Lists({len(self)} of up to {self.ids.shape[1]})"


class StoreInfo(NamedTuple):
    """Counts, and the default space."""

    items: int
    users: int
    embeddings: int
    ratings: int
    labels: int
    spaces: int
    dim: int
    """of the default space; 0: there is none yet"""
    fingerprint: str
    change: int
    events: int
    schema_version: int


class Ratings(NamedTuple):
    """One user's ratings by rising item id."""

    items: Array
    values: Array
    times: Array


class Events(NamedTuple):
    """One user's events by rising time."""

    items: Array
    times: Array


def _table(given: Any) -> Optional[tuple[Any, Any, Any, Any]]:
    """users, items, values, times of a SciPy sparse matrix or a pandas frame; None for anything else."""
    if hasattr(given, "tocoo"):
        sparse = given.tocoo()
        return sparse.row, sparse.col, sparse.data, None
    if hasattr(given, "columns") and hasattr(given, "to_numpy"):
        columns = {str(name).lower(): name for name in given.columns}

        def column(*names: str) -> Any:
            return next((given[columns[name]].to_numpy() for name in names if name in columns), None)

        found = column("user", "userid", "user_id"), column("item", "itemid", "item_id", "movieid")
        values, times = column("rating", "value"), column("time", "timestamp")
        if found[0] is None or found[1] is None or values is None:
            raise ValueError(f"a frame of ratings needs the columns user, item and rating, not {', '.join(columns)}")
        return found[0], found[1], values, times
    return None


class Store(Handle):
    """``Store(path)`` opens or creates one; ``Store()`` is one in memory.

    Items and users are given as ids (ints), or by the shop's own keys (strings): unknown keys are created by ``put_...``
    and are ``NotFound`` elsewhere. Every call may run from any thread; the GIL is released.

    Args:
        location: a path, or ``":memory:"``.
        read_only, must_exist, immutable: see ``RECSYS_STORE_...`` in recsys.h.
        busy_timeout: seconds to wait for another process's lock; negative: do not wait.
        threads: a search uses at most so many; 0: every processor.
        progress: ``progress("load", rows done, rows in all)``.
        log: ``log(level, message)``.
    """

    _close_function = "recsys_store_close"

    def __init__(
        self,
        location: Path = ":memory:",
        *,
        read_only: bool = False,
        must_exist: bool = False,
        immutable: bool = False,
        busy_timeout: float = 0.0,
        threads: int = 0,
        progress: Progress = None,
        log: Optional[Callable[[int, str], Any]] = None,
    ) -> None:
        watch = Watch()
        how = options(
            _abi.StoreOptions,
            flags=(_abi.STORE_READ_ONLY if read_only else 0)
            | (_abi.STORE_MUST_EXIST if must_exist else 0)
            | (_abi.STORE_IMMUTABLE if immutable else 0),
            busy_timeout=busy_timeout,
            threads=threads,
            progress=watch.progress(progress),
            log=watch.log(log),
        )
        super().__init__(open_handle("recsys_store_open", encode_path(location), ctypes.byref(how), watch=watch), watch)

    @property
    def info(self) -> StoreInfo:
        """Counts, and the default space."""
        raw = options(_abi.StoreInfo)
        self._call("recsys_store_get_info", ctypes.byref(raw))
        values: dict[str, Any] = {name: getattr(raw, name) for name in StoreInfo._fields}
        values["fingerprint"] = raw.fingerprint.decode()
        return StoreInfo(**values)

    def describe(self) -> dict[str, Any]:
        """Counts, spaces, fields, memory."""
        described: dict[str, Any] = json.loads(self._text("recsys_store_describe"))
        return described

    # -- keys

    def resolve(self, keys: Sequence[str], *, kind: str = "item", create: bool = False) -> Array:
        """ids (int64) of keys; NotFound names the first unknown one unless ``create``."""
        listed = [keys] if isinstance(keys, str) else list(keys)
        ids = np.empty(len(listed), np.int64)
        try:
            self._call(
                "recsys_store_resolve", self._kind(kind), strings(listed, len(listed), "keys"), len(listed),
                _abi.RESOLVE_CREATE if create else 0, address(ids),
            )  # fmt: skip
        except errors.Partial:
            unknown = listed[int(np.argmax(ids < 0))]
            raise errors.NotFound(f"the store has no {kind} {unknown!r}") from None
        return ids

    def key(self, id: int, *, kind: str = "item") -> str:
        """The key of an item or a user; one without a key has its decimal digits."""
        return self._text("recsys_store_get_key", self._kind(kind), id)

    def list(self, *, kind: str = "item") -> Array:
        """All ids, rising."""
        ids, count, after = np.empty(65536, np.int64), ctypes.c_size_t(), -1
        parts: _list[Array] = []
        while True:
            self._call(
                "recsys_store_list", self._kind(kind), after, address(ids), ids.size, ctypes.addressof(count)
            )
            if count.value == 0:
                return np.concatenate(parts) if parts else np.empty(0, np.int64)
            parts.append(ids[: count.value].copy())
            after = int(ids[count.value - 1])

    @staticmethod
    def _kind(kind: str) -> int:
        if kind not in _KINDS:
            raise ValueError(f'kind is "item" or "user", not {kind!r}')
        return _KINDS[kind]

    def _ids(self, given: Ids, name: str, *, kind: str = "item", create: bool = False) -> Array:
        """int64 ids of ints, or of keys."""
        if isinstance(given, str):
            return self.resolve([given], kind=kind, create=create)
        if isinstance(given, (int, np.integer)):
            return np.array([given], np.int64)
        if not isinstance(given, np.ndarray):
            given = list(given)  # type: ignore[assignment]
            if given and all(isinstance(key, str) for key in given):
                return self.resolve(given, kind=kind, create=create)  # type: ignore[arg-type]
        elif given.dtype.kind in "OU" and given.size:
            return self.resolve([str(key) for key in given], kind=kind, create=create)
        return array(given, np.int64, name, (None,))

    # -- putting: each call is one transaction

    def put_space(self, fingerprint: str, dim: int, *, description: Optional[str] = None, default: bool = False) -> None:
        """Adds a space, or changes its description or default flag."""
        flags = _abi.SPACE_DEFAULT if default else 0
        self._call("recsys_store_put_space", encode(fingerprint), dim, encode(description), flags)

    def put_embeddings(
        self, items: Ids, rows: Any, *, fingerprint: str, pictures: Optional[Sequence[int]] = None
    ) -> None:
        """Rows (n x dim, float32) of n pictures; ``pictures``: their numbers within their items (default: all 0)."""
        ids = self._ids(items, "items", create=True)
        made = array(rows, np.float32, "rows", (len(ids), None))
        numbers = optional(pictures, np.int64, "pictures", len(ids))
        self._call(
            "recsys_store_put_embeddings", encode(fingerprint), made.shape[1], address(ids), address(numbers),
            address(made), len(ids),
        )  # fmt: skip

    def put_labels(
        self, items: Ids, fields: Union[str, Sequence[str]], values: Union[str, Sequence[str]], scores: Any = None
    ) -> None:
        """Item items[i] has values[i] in fields[i] with scores[i] in 0..1 (default 1); one field or value serves all."""
        ids = self._ids(items, "items", create=True)
        n = len(ids)
        scored = optional(scores, np.float32, "scores", n)
        self._call(
            "recsys_store_put_labels", address(ids), strings(fields, n, "fields"),
            strings(values, n, "values"), address(scored), n,
        )  # fmt: skip

    def put_numbers(self, items: Ids, fields: Union[str, Sequence[str]], values: Any) -> None:
        """One finite number per item and field (year, price, stock)."""
        ids = self._ids(items, "items", create=True)
        numbers = array(values, np.float64, "values", (len(ids),))
        self._call(
            "recsys_store_put_numbers", address(ids), strings(fields, len(ids), "fields"), address(numbers),
            len(ids),
        )  # fmt: skip

    def put_texts(self, items: Ids, fields: Union[str, Sequence[str]], values: Sequence[str]) -> None:
        """One text per item and field (a name, a description)."""
        ids = self._ids(items, "items", create=True)
        n = len(ids)
        self._call(
            "recsys_store_put_texts", address(ids), strings(fields, n, "fields"),
            strings(values, n, "values"), n,
        )  # fmt: skip

    def put_ratings(self, users: Any, items: Any = None, values: Any = None, times: Any = None) -> int:
        """Ratings, one per user and item; a later one replaces it.

        Also ``put_ratings(matrix)`` for a SciPy sparse matrix (rows are user ids, columns item ids) or a pandas frame
        with the columns user, item, rating and, if wanted, time (Unix seconds).

        Returns:
            how many are for items that have neither embedding nor label yet; they are kept.
        """
        if items is None and values is None:
            table = _table(users)
            if table is None:
                raise TypeError("give users, items and values, a SciPy sparse matrix, or a pandas frame")
            users, items, values, found = table
            times = found if times is None else times
        user_ids = self._ids(users, "users", kind="user", create=True)
        item_ids = self._ids(items, "items", create=True)
        n = len(user_ids)
        rated, when = array(values, np.float32, "values", (n,)), optional(times, np.int64, "times", n)
        array(item_ids, np.int64, "items", (n,))
        unknown = ctypes.c_uint64()
        self._call(
            "recsys_store_put_ratings", address(user_ids), address(item_ids), address(rated), address(when), n,
            ctypes.addressof(unknown),
        )  # fmt: skip
        return unknown.value

    def put_events(self, users: Ids, items: Ids, kinds: Union[str, Sequence[str]], times: Any) -> int:
        """What shoppers did ("view", "cart", "purchase", or names of the shop's own) and when (Unix seconds)."""
        user_ids = self._ids(users, "users", kind="user", create=True)
        item_ids = array(self._ids(items, "items", create=True), np.int64, "items", (len(user_ids),))
        n, unknown = len(user_ids), ctypes.c_uint64()
        when = array(times, np.int64, "times", (n,))
        self._call(
            "recsys_store_put_events", address(user_ids), address(item_ids), strings(kinds, n, "kinds"),
            address(when), n, ctypes.addressof(unknown),
        )  # fmt: skip
        return unknown.value

    # -- removing: what is not there is not an error

    def remove(self, ids: Ids, *, kind: str = "item") -> None:
        """Items or users with everything that belongs to them."""
        found = self._ids(ids, "ids", kind=kind)
        self._call("recsys_store_remove", self._kind(kind), address(found), len(found))

    def remove_embeddings(
        self, items: Ids, *, pictures: Optional[Sequence[int]] = None, fingerprint: Optional[str] = None
    ) -> None:
        """``pictures`` None: all of each item; ``fingerprint`` None: the default space."""
        ids = self._ids(items, "items")
        numbers = optional(pictures, np.int64, "pictures", len(ids))
        self._call("recsys_store_remove_embeddings", encode(fingerprint), address(ids), address(numbers), len(ids))

    def remove_labels(
        self, items: Ids, fields: Union[str, Sequence[str]], values: Union[None, str, Sequence[str]] = None
    ) -> None:
        """``values`` None: all of the field. Labels, number and text of that field alike."""
        ids = self._ids(items, "items")
        texts = None if values is None else strings(values, len(ids), "values")
        self._call(
            "recsys_store_remove_labels", address(ids), strings(fields, len(ids), "fields"), texts,
            len(ids),
        )  # fmt: skip

    def remove_ratings(self, users: Ids, items: Ids) -> None:
        """Pair by pair."""
        user_ids = self._ids(users, "users", kind="user")
        item_ids = array(self._ids(items, "items"), np.int64, "items", (len(user_ids),))
        self._call("recsys_store_remove_ratings", address(user_ids), address(item_ids), len(user_ids))

    def remove_events(self, before: int, *, users: Optional[Ids] = None) -> None:
        """Events with a time before ``before``: these users', or everybody's."""
        ids = None if users is None else self._ids(users, "users", kind="user")
        self._call("recsys_store_remove_events", address(ids), 0 if ids is None else len(ids), before)

    def remove_space(self, fingerprint: str) -> None:
        """A whole space with its rows; the default one only when it is the last."""
        self._call("recsys_store_remove_space", encode(fingerprint))

    # -- getting, from memory

    def embeddings(
        self, items: Ids, *, pictures: Optional[Sequence[int]] = None, fingerprint: Optional[str] = None
    ) -> Array:
        """float32, n x dim. ``Partial`` where one is absent: its row is zeros."""
        ids = self._ids(items, "items")
        numbers = optional(pictures, np.int64, "pictures", len(ids))
        rows, status = np.empty((len(ids), self._dim(fingerprint)), np.float32), np.zeros(len(ids), np.int32)
        try:
            self._call(
                "recsys_store_get_embeddings", encode(fingerprint), address(ids), address(numbers), len(ids),
                address(rows), address(status),
            )  # fmt: skip
        except errors.Partial as partial:
            partial.statuses, partial.result = status, rows
            raise
        return rows

    def _dim(self, fingerprint: Optional[str]) -> int:
        if fingerprint is None:
            return self.info.dim
        for space in self.describe()["spaces"]:
            if space["fingerprint"] == fingerprint:
                return int(space["dim"])
        raise errors.NotFound(f"the store has no space {fingerprint!r}")

    def labels(self, item: Union[int, str], field: str) -> _list[tuple[str, float]]:
        """(value, score) by falling score."""
        id = int(self._ids(item, "item")[0])
        found: _list[tuple[str, float]] = []
        while True:
            buffer, length = ctypes.create_string_buffer(1024), ctypes.c_size_t()
            score = ctypes.c_float()
            try:
                self._call(
                    "recsys_store_get_label", id, encode(field), len(found), buffer, 1024, ctypes.addressof(length),
                    ctypes.addressof(score),
                )  # fmt: skip
            except errors.NotFound:
                return found
            found.append((buffer.value.decode("utf-8", "replace"), score.value))

    def number(self, item: Union[int, str], field: str) -> float:
        """NotFound where it has none."""
        value = ctypes.c_double()
        self._call("recsys_store_get_number", int(self._ids(item, "item")[0]), encode(field), ctypes.addressof(value))
        return value.value

    def text(self, item: Union[int, str], field: str) -> str:
        """NotFound where it has none."""
        return self._text("recsys_store_get_text", int(self._ids(item, "item")[0]), encode(field))

    def ratings(self, user: Union[int, str]) -> Ratings:
        """All of a user's ratings."""
        id, after, parts = int(self._ids(user, "user", kind="user")[0]), -1, []
        n, count = 4096, ctypes.c_size_t()
        while True:
            page = Ratings(np.empty(n, np.int64), np.empty(n, np.float32), np.empty(n, np.int64))
            self._call(
                "recsys_store_get_ratings", id, after, *[address(a) for a in page], n, ctypes.addressof(count)
            )
            parts.append([a[: count.value] for a in page])
            if count.value < n:
                return Ratings(*[np.concatenate(column) for column in zip(*parts)])
            after = int(page.items[-1])

    def events(self, user: Union[int, str]) -> Events:
        """All of a user's events."""
        id, parts = int(self._ids(user, "user", kind="user")[0]), []
        n, first, count = 4096, 0, ctypes.c_size_t()
        while True:
            page = Events(np.empty(n, np.int64), np.empty(n, np.int64))
            self._call(
                "recsys_store_get_events", id, first, *[address(a) for a in page], n, ctypes.addressof(count)
            )
            parts.append([a[: count.value] for a in page])
            first += count.value
            if count.value < n:
                return Events(*[np.concatenate(column) for column in zip(*parts)])

    # -- searching

    def _search_options(
        self,
        metric: str,
        fingerprint: Optional[str],
        filter: Optional[Filter],
        approximate: bool,
        effort: int,
        watch: Optional[Watch] = None,
        progress: Progress = None,
    ) -> Any:
        callback = watch.progress(progress) if watch else _abi.PROGRESS()
        return options(
            _abi.SearchOptions, metric=_metric(metric), fingerprint=encode(fingerprint), filter=reference(filter),
            progress=callback, approximate=int(approximate), effort=effort,
        )  # fmt: skip

    def search(
        self,
        queries: Any,
        k: int = 10,
        *,
        metric: str = "cosine",
        filter: Optional[Filter] = None,
        fingerprint: Optional[str] = None,
        approximate: bool = False,
        effort: int = 0,
        progress: Progress = None,
    ) -> Lists:
        """The k nearest items of each row (n x dim, or one row), exactly, or by the space's index.

        Scores are cosine similarities, falling, or Euclidean distances, rising. ``effort``: pictures that an
        approximate search looks at (0: 64). ``progress(phase, done, total)``: of several queries, in pictures.
        """
        rows = np.asarray(queries)
        rows = array(rows[None] if rows.ndim == 1 else rows, np.float32, "queries", (None, None))
        found, watch = Lists(len(rows), k), Watch()
        how = self._search_options(metric, fingerprint, filter, approximate, effort, watch, progress)
        self._watched(
            watch, "recsys_store_search", address(rows), len(rows), rows.shape[1], k, ctypes.byref(how),
            address(found.ids), address(found.scores), address(found.counts),
        )  # fmt: skip
        return found

    def similar(
        self,
        items: Ids,
        k: int = 10,
        *,
        metric: str = "cosine",
        filter: Optional[Filter] = None,
        fingerprint: Optional[str] = None,
        approximate: bool = False,
        effort: int = 0,
        progress: Progress = None,
    ) -> Lists:
        """The k items most like each item, which is not in its own list. ``Partial`` where one has no embedding."""
        ids = self._ids(items, "items")
        found, watch = Lists(len(ids), k), Watch()
        how = self._search_options(metric, fingerprint, filter, approximate, effort, watch, progress)
        try:
            self._watched(
                watch, "recsys_store_similar", address(ids), len(ids), k, ctypes.byref(how), address(found.ids),
                address(found.scores), address(found.counts), address(found.statuses),
            )  # fmt: skip
        except errors.Partial as partial:
            partial.statuses, partial.result = found.statuses, found
            raise
        return found

    # -- approximate search

    def build_index(
        self,
        *,
        metric: str = "cosine",
        fingerprint: Optional[str] = None,
        links: int = 0,
        effort: int = 0,
        progress: Progress = None,
    ) -> None:
        """Builds the index of a space, which the store then keeps up; searches with ``approximate=True`` use it."""
        watch = Watch()
        how = options(
            _abi.IndexOptions, metric=_metric(metric), fingerprint=encode(fingerprint), links=links, effort=effort,
            progress=watch.progress(progress),
        )  # fmt: skip
        self._watched(watch, "recsys_store_build_index", ctypes.byref(how))

    def remove_index(self, fingerprint: Optional[str] = None) -> None:
        """Removes the index of a space and its file."""
        self._call("recsys_store_remove_index", encode(fingerprint))

    def measure_recall(
        self,
        n: int = 0,
        k: int = 10,
        *,
        seed: int = 0,
        metric: str = "cosine",
        filter: Optional[Filter] = None,
        fingerprint: Optional[str] = None,
        effort: int = 0,
    ) -> float:
        """The mean share of the k nearest that an approximate search really finds, over n items (0: 1000)."""
        recall = ctypes.c_double()
        how = self._search_options(metric, fingerprint, filter, True, effort)
        self._call("recsys_store_measure_recall", n, k, seed, ctypes.byref(how), ctypes.byref(recall))
        return recall.value

    # -- upkeep

    def refresh(self) -> None:
        """Takes in what other processes have changed since."""
        self._call("recsys_store_refresh")

    def check(self) -> str:
        """Verifies the whole store: the report, one finding per line; ``BadFormat`` when something is wrong."""
        return self._text("recsys_store_check")

    def export(self, path: Path) -> None:
        """Writes a complete copy that any SQLite tool may open."""
        self._call("recsys_store_export", encode_path(path))


def split(store: Store, split: str, users: Any, items: Any, *, repeat: int = 0) -> Array:
    """How stored ratings are divided: uint8 (``recsys.PART_...``) per pair; the syntax is in recsys.h."""
    user_ids = store._ids(users, "users", kind="user")
    item_ids = array(store._ids(items, "items"), np.int64, "items", (len(user_ids),))
    parts = np.zeros(len(user_ids), np.uint8)
    store._call(
        "recsys_split", encode(split), repeat, address(user_ids), address(item_ids), len(user_ids), address(parts)
    )
    return parts


__all__ = ["Entry", "Events", "Lists", "Ratings", "Store", "StoreInfo", "split"]
