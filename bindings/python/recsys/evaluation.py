"""How good is a list?"""
from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from . import _abi
from ._arrays import address, array
from ._library import Handle, Watch, encode, open_handle, options
from .store import Store

_CANDIDATES = {"all": _abi.CANDIDATES_ALL, "hidden": _abi.CANDIDATES_HIDDEN}


class Metric(NamedTuple):
    """One measured number."""

    mean: float
    low: float
    """95 % interval over users"""
    high: float
    deviation: float
    """corrected standard deviation of the mean over repeats; 0 with one repeat"""
    difference: float
    """from the best ranker's mean"""
    p_value: float
    """of that difference, after Holm; 1 for the best itself"""
    users: int
    """that were averaged"""
    unscored: int
    """users without a relevant test item"""
    seconds: float
    repeat_mean: float


class Evaluation(Handle):
    """What an evaluation found; made once, never changes."""

    _close_function = "recsys_evaluation_close"

    def get(self, ranker: int, metric: str, *, group: Optional[str] = None) -> Metric:
        """A metric ("ndcg@10", "recall@20", "auc", ...) of the ranker-th algorithm, for "all" users or a group."""
        raw = options(_abi.Metric)
        self._call("recsys_evaluation_get", ranker, encode(metric), encode(group), ctypes.byref(raw))
        return Metric(*[getattr(raw, name) for name in Metric._fields])

    def describe(self) -> dict[str, Any]:
        """Everything."""
        described: dict[str, Any] = json.loads(self._text("recsys_evaluation_describe"))
        return described


def evaluate(
    store: Store,
    rankers: str,
    *,
    split: Optional[str] = None,
    folds: Optional[tuple[Any, Any, Any]] = None,
    candidates: str = "all",
    k: Optional[Sequence[int]] = None,
    relevant_from: float = 0.0,
    fingerprint: Optional[str] = None,
    threads: int = 0,
    seed: int = 0,
    progress: Optional[Callable[[str, int, int], Any]] = None,
) -> Evaluation:
    """Fits each of the rankers (``"ease; als factors=64; popular"``) to the training part of each repeat, ranks all
    candidates for every user with something relevant in the test part, and compares.

    Args:
        split: ``"random test=0.2"``, ``"time"``, ``"cold-items"``, ...: see recsys_split in recsys.h.
        folds: given ones instead: users, items (n each) and parts (repeats x n, ``recsys.PART_...``).
        candidates: ``"all"`` items, or ``"hidden"``: only those without a rating in training.
        k: list lengths (default 10 and 20).
        relevant_from: a tested rating counts as relevant at or above this.
        seed: of the bootstrap.
    """
    if candidates not in _CANDIDATES:
        raise ValueError(f'candidates is "all" or "hidden", not {candidates!r}')
    watch, kept = Watch(), []
    how = options(
        _abi.EvaluateOptions, candidates=_CANDIDATES[candidates], split=encode(split), relevant_from=relevant_from,
        fingerprint=encode(fingerprint), threads=threads, seed=seed, progress=watch.progress(progress),
    )  # fmt: skip
    if k is not None:
        lengths = array(k, np.uint32, "k", (None,))
        kept.append(lengths)
        how.k, how.n_k = address(lengths), len(lengths)
    if folds is not None:
        users = store._ids(folds[0], "users", kind="user")
        items = array(store._ids(folds[1], "items"), np.int64, "items", (len(users),))
        parts = array(folds[2], np.uint8, "parts", (None, len(users)))
        kept += [users, items, parts]
        how.users, how.items, how.parts = address(users), address(items), address(parts)
        how.n_ratings, how.repeats = len(users), len(parts)
    address_of = store._enter()
    try:
        handle = open_handle("recsys_evaluate", address_of, encode(rankers), ctypes.byref(how), watch=watch)
    finally:
        store._leave()
    return Evaluation(handle)
