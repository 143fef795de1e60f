"""Histories to ranked lists, with reasons."""
from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Optional, Union

import numpy as np

from . import _abi, errors
from ._arrays import Array, Ids, address, array, optional
from ._library import Handle, Path, Watch, encode, encode_path, open_handle, options
from .filters import Filter, reference
from .store import Lists, Store

Progress = Optional[Callable[[str, int, int], Any]]


class Reason(NamedTuple):
    """One summand of a score."""

    item: int
    """of the history; -1: the part of the score that does not depend on it"""
    contribution: float
    similarity: float
    rating: float


class Explanation(NamedTuple):
    """Why an item has its score."""

    score: float
    reasons: list[Reason]
    """by falling contribution; they sum to the score when all are there"""
    total: int
    """how many reasons there are in all"""


class Ranker(Handle):
    """One algorithm over a store, as ``"als factors=64"``, ``"ease"``, ``"visual neighbours=40"``, or ``"auto"``.

    ``Ranker(store, "ease").fit()`` returns the ranker, fitted.
    """

    _close_function = "recsys_ranker_close"

    def __init__(
        self,
        store: Store,
        algorithm: str = "auto",
        *,
        fingerprint: Optional[str] = None,
        threads: int = 0,
        log: Optional[Callable[[int, str], Any]] = None,
    ) -> None:
        watch = Watch()
        how = options(_abi.RankerOptions, threads=threads, fingerprint=encode(fingerprint), log=watch.log(log))
        self._make(store, "recsys_ranker_create", encode(algorithm), how, watch)

    @classmethod
    def open(
        cls,
        store: Store,
        path: Path,
        *,
        fingerprint: Optional[str] = None,
        threads: int = 0,
        log: Optional[Callable[[int, str], Any]] = None,
    ) -> Ranker:
        """A fitted ranker from a file that ``save`` wrote, over a store that may have grown since."""
        watch = Watch()
        how = options(_abi.RankerOptions, threads=threads, fingerprint=encode(fingerprint), log=watch.log(log))
        made = cls.__new__(cls)
        made._make(store, "recsys_ranker_open", encode_path(path), how, watch)
        return made

    def _make(self, store: Store, name: str, what: Optional[bytes], how: Any, watch: Watch) -> None:
        address_of = store._enter()
        try:
            super().__init__(open_handle(name, address_of, what, ctypes.byref(how), watch=watch), watch)
        finally:
            store._leave()
        self._store = store  # for keys

    def fit(self, *, progress: Progress = None, memory_limit: int = 0) -> Ranker:
        """Learns what the algorithm needs from the store as it is now; ``memory_limit`` in bytes."""
        return self._learn("recsys_ranker_fit", progress, memory_limit)

    def refresh(self, *, progress: Progress = None, memory_limit: int = 0) -> Ranker:
        """Brings a fitted ranker up to the store as it is now without learning everything again."""
        return self._learn("recsys_ranker_refresh", progress, memory_limit)

    def _learn(self, name: str, progress: Progress, memory_limit: int) -> Ranker:
        watch = Watch()
        how = options(_abi.FitOptions, progress=watch.progress(progress), memory_limit=memory_limit)
        self._watched(watch, name, ctypes.byref(how))
        return self

    def _how(
        self,
        watch: Optional[Watch] = None,
        lists: Optional[Lists] = None,
        *,
        filter: Optional[Filter] = None,
        targets: Optional[Ids] = None,
        diversity: float = 0.0,
        max_per_label: Optional[tuple[str, int]] = None,
        unique: bool = False,
        progress: Progress = None,
    ) -> tuple[Any, Any]:
        """recsys_recommend_options, and what must live as long."""
        wanted = None if targets is None else self._store._ids(targets, "targets")
        how = options(
            _abi.RecommendOptions,
            flags=_abi.RECOMMEND_UNIQUE if unique else 0,
            filter=reference(filter),
            targets=address(wanted),
            n_targets=0 if wanted is None else len(wanted),
            diversity=diversity,
        )
        if watch is not None and progress is not None:
            how.progress = watch.progress(progress)
        if max_per_label is not None:
            how.label_field, how.max_per_label = max_per_label[0].encode(), max_per_label[1]
        if lists is not None:
            how.sources = address(lists.sources)
        return how, wanted

    def recommend(self, users: Ids, k: int = 10, *, sources: bool = False, progress: Progress = None, **how: Any) -> Lists:
        """The best k items for each user, from the history that the store holds now.

        Args:
            users: ids, or keys.
            sources: also tell where each entry comes from (``Lists.sources``).
            filter: a ``Filter``.
            targets: items, for ``category``.
            diversity: 0..1, weight of being unlike what is listed already.
            max_per_label: (field, n): at most n entries share a label of this field.
            unique: of items whose pictures are nearly the same, only the best one.
        """
        ids = self._store._ids(users, "users", kind="user")
        lists = Lists(len(ids), k, sources)
        if not how and not sources and progress is None:
            self._call(
                "recsys_ranker_recommend", address(ids), len(ids), k, None, address(lists.ids), address(lists.scores),
                address(lists.counts), address(lists.statuses),
            )  # fmt: skip
            return lists
        watch = Watch()
        chosen, kept = self._how(watch, lists, progress=progress, **how)
        try:
            self._watched(
                watch, "recsys_ranker_recommend", address(ids), len(ids), k, ctypes.byref(chosen), address(lists.ids),
                address(lists.scores), address(lists.counts), address(lists.statuses),
            )  # fmt: skip
        except errors.Partial as partial:
            partial.statuses, partial.result = lists.statuses, lists
            raise
        del kept
        return lists

    def recommend_from(
        self,
        histories: Sequence[Ids],
        k: int = 10,
        *,
        ratings: Optional[Sequence[Any]] = None,
        times: Optional[Sequence[Any]] = None,
        sources: bool = False,
        progress: Progress = None,
        **how: Any,
    ) -> Lists:
        """The same for histories that are passed in (guests, sessions): one sequence of items each.

        ``ratings`` and ``times``: alike in shape to ``histories``; both None: every entry counts as liked.
        """
        items = [self._store._ids(history, "a history") for history in histories]
        offsets = np.zeros(len(items) + 1, np.uint64)
        offsets[1:] = np.cumsum([len(history) for history in items])
        joined = np.concatenate(items) if items else np.empty(0, np.int64)
        rated = None if ratings is None else self._join(ratings, np.float32, "ratings", len(joined))
        when = None if times is None else self._join(times, np.int64, "times", len(joined))
        lists, watch = Lists(len(items), k, sources), Watch()
        chosen, kept = self._how(watch, lists, progress=progress, **how)
        self._watched(
            watch, "recsys_ranker_recommend_from", address(offsets), address(joined), address(rated), address(when),
            len(items), k, ctypes.byref(chosen), address(lists.ids), address(lists.scores), address(lists.counts),
            address(lists.statuses),
        )  # fmt: skip
        del kept
        return lists

    @staticmethod
    def _join(parts: Sequence[Any], dtype: Any, name: str, n: int) -> Array:
        joined: Any = np.concatenate([array(part, dtype, name, (None,)) for part in parts]) if len(parts) else []
        return array(joined, dtype, name, (n,))

    def score(self, user: Union[int, str], items: Ids, **how: Any) -> Array:
        """float64: the scores of given items for one user, rated or not; 0 where nothing can be said."""
        id, ids = int(self._store._ids(user, "user", kind="user")[0]), self._store._ids(items, "items")
        scores = np.empty(len(ids), np.float64)
        chosen, kept = self._how(**how)
        self._call("recsys_ranker_score", id, address(ids), len(ids), ctypes.byref(chosen), address(scores))
        del kept
        return scores

    def _explain(self, name: str, start: tuple[Any, ...], limit: int, how: dict[str, Any]) -> Explanation:
        table, count, score = (_abi.Reason * max(limit, 1))(), ctypes.c_size_t(), ctypes.c_double()
        chosen, kept = self._how(**how)
        self._call(
            name, *start, ctypes.byref(chosen), table, limit, ctypes.addressof(count), ctypes.addressof(score)
        )
        del kept
        reasons = [Reason(r.item, r.contribution, r.similarity, r.rating) for r in table[: min(limit, count.value)]]
        return Explanation(score.value, reasons, count.value)

    def explain(self, user: Union[int, str], item: Union[int, str], *, limit: int = 100, **how: Any) -> Explanation:
        """Why ``item`` has its score for a user: up to ``limit`` reasons."""
        user_id = int(self._store._ids(user, "user", kind="user")[0])
        item_id = int(self._store._ids(item, "item")[0])
        return self._explain("recsys_ranker_explain", (user_id, item_id), limit, how)

    def explain_from(
        self,
        history: Ids,
        item: Union[int, str],
        *,
        ratings: Any = None,
        times: Any = None,
        limit: int = 100,
        **how: Any,
    ) -> Explanation:
        """The same for a history that is passed in."""
        ids, item_id = self._store._ids(history, "history"), int(self._store._ids(item, "item")[0])
        rated = optional(ratings, np.float32, "ratings", len(ids))
        when = optional(times, np.int64, "times", len(ids))
        start = (address(ids), address(rated), address(when), len(ids), item_id)
        return self._explain("recsys_ranker_explain_from", start, limit, how)

    def compare(self, a: Union[int, str], b: Union[int, str]) -> dict[str, Any]:
        """What two items have in common: labels, numbers, words, and the likeness of their pictures."""
        ids = [int(self._store._ids(item, "item")[0]) for item in (a, b)]
        found: dict[str, Any] = json.loads(self._text("recsys_ranker_compare", *ids))
        return found

    def describe(self) -> dict[str, Any]:
        """The algorithm with all its parameters, and what it was fitted on."""
        described: dict[str, Any] = json.loads(self._text("recsys_ranker_describe"))
        return described

    def save(self, path: Path) -> None:
        """Writes what was fitted to one safetensors file."""
        self._call("recsys_ranker_save", encode_path(path))
