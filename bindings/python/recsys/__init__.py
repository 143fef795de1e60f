"""Product pictures and a rating matrix in, ranked item lists out.

    with recsys.Model("googlenet.safetensors") as model, recsys.Store("shop.recsys") as store:
        store.put_embeddings(["SKU-1", "SKU-2"], model.embed(["1.jpg", "2.jpg"]), fingerprint=model.fingerprint)
        for item, score in store.similar("SKU-1", k=5)[0]:
            print(store.key(item), score)

``Model`` turns pictures into embeddings, ``Store`` keeps them with labels and ratings and finds neighbours, ``Ranker``
makes lists, ``evaluate`` says how good they are. This is a thin layer over the C library: recsys.h is the specification.
"""
from __future__ import annotations

from typing import Any, Callable

from . import errors
from ._abi import (
    LABEL_ABSENT,
    LABEL_PRESENT,
    LABEL_UNKNOWN,
    NOTE_FALLBACK_POPULAR,
    NOTE_SHORT,
    PART_HISTORY,
    PART_TEST,
    PART_TRAIN,
    PART_UNUSED,
    SOURCE_FEATURES,
    SOURCE_NONE,
    SOURCE_POPULAR,
    SOURCE_RATINGS,
)
from ._library import version
from .errors import Partial, RecsysError
from .evaluation import Evaluation, Metric, evaluate
from .filters import Filter
from .images import Crop
from .model import Label, LabelMetrics, Metrics, Model, ModelInfo, QuantizeReport
from .ranker import Explanation, Ranker, Reason
from .store import Entry, Events, Lists, Ratings, Store, StoreInfo, split

__version__ = "0.1.0"


def bar(tqdm: Callable[..., Any]) -> Callable[[str, int, int], bool]:
    """A progress callback that draws with tqdm: ``model.embed(files, progress=recsys.bar(tqdm.tqdm))``."""
    drawn: dict[str, Any] = {}

    def tell(phase: str, done: int, total: int) -> bool:
        if phase not in drawn:
            drawn[phase] = tqdm(desc=phase, total=total or None)
        drawn[phase].update(done - drawn[phase].n)
        if total and done >= total:
            drawn.pop(phase).close()
        return False

    return tell


__all__ = [
    "Crop", "Entry", "Evaluation", "Events", "Explanation", "Filter", "LABEL_ABSENT", "LABEL_PRESENT", "LABEL_UNKNOWN",
    "Label", "LabelMetrics", "Lists", "Metric", "Metrics", "Model", "ModelInfo",
    "QuantizeReport", "NOTE_FALLBACK_POPULAR", "NOTE_SHORT",
    "PART_HISTORY", "PART_TEST", "PART_TRAIN", "PART_UNUSED", "Partial", "Ranker", "Ratings", "Reason", "RecsysError",
    "SOURCE_FEATURES", "SOURCE_NONE", "SOURCE_POPULAR", "SOURCE_RATINGS", "Store", "StoreInfo", "bar", "errors",
    "evaluate", "split", "version",
]  # fmt: skip
