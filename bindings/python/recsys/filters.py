"""What may appear in a list."""
from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np

from . import _abi
from ._arrays import address, array, strings

Values = Union[str, Sequence[str]]


class Filter:
    """All conditions must hold.

    Args:
        any: field -> values, of which the item has at least one.
        all: field -> values, all of which the item has.
        none: field -> values, none of which the item has.
        range: field -> (smallest, largest), both included, of the item's number; None: no limit on that side.
        allow: the only item ids that may appear (an empty list allows nothing).
        deny: item ids that may not appear.
        min_similarity: -1..1, cosine (search and similar).
        max_distance: >= 0, Euclidean (search and similar).
        rated: recommend: items that the user has rated may return.
    """

    def __init__(
        self,
        *,
        any: Optional[Mapping[str, Values]] = None,
        all: Optional[Mapping[str, Values]] = None,
        none: Optional[Mapping[str, Values]] = None,
        range: Optional[Mapping[str, tuple[Optional[float], Optional[float]]]] = None,
        allow: Optional[Any] = None,
        deny: Optional[Any] = None,
        min_similarity: Optional[float] = None,
        max_distance: Optional[float] = None,
        rated: bool = False,
    ) -> None:
        self._kept: list[Any] = []
        clauses: list[_abi.Clause] = []
        for op, fields in ((_abi.CLAUSE_ANY, any), (_abi.CLAUSE_ALL, all), (_abi.CLAUSE_NONE, none)):
            for field, values in (fields or {}).items():
                clauses.append(self._values(op, field, values))
        for field, (low, high) in (range or {}).items():
            clause = _abi.Clause(field=field.encode(), op=_abi.CLAUSE_RANGE)
            clause.min = -float("inf") if low is None else low
            clause.max = float("inf") if high is None else high
            clauses.append(clause)
        table = (_abi.Clause * max(len(clauses), 1))(*clauses)
        allowed = array(allow if allow is not None else [], np.int64, "allow", (None,))
        denied = array(deny if deny is not None else [], np.int64, "deny", (None,))
        self._kept += [table, clauses, allowed, denied]
        self.struct = _abi.Filter()
        self.struct.struct_size = ctypes.sizeof(_abi.Filter)
        self.struct.flags = (
            (_abi.FILTER_ALLOW if allow is not None else 0)
            | (_abi.FILTER_MIN_SIMILARITY if min_similarity is not None else 0)
            | (_abi.FILTER_MAX_DISTANCE if max_distance is not None else 0)
            | (_abi.FILTER_RATED if rated else 0)
        )
        self.struct.clauses = table
        self.struct.n_clauses = len(clauses)
        self.struct.allow, self.struct.n_allow = address(allowed), allowed.size
        self.struct.deny, self.struct.n_deny = address(denied), denied.size
        self.struct.min_similarity = min_similarity or 0.0
        self.struct.max_distance = max_distance or 0.0

    def _values(self, op: int, field: str, values: Values) -> _abi.Clause:
        listed = [values] if isinstance(values, str) else list(values)
        texts = strings(listed, len(listed), f"values of {field}")
        self._kept.append(texts)
        clause = _abi.Clause(field=field.encode(), op=op, n_values=len(listed))
        clause.values = texts
        return clause


def reference(filter: Optional[Filter]) -> Any:
    """For a struct's field: a pointer to the filter, or nothing."""
    if filter is not None and not isinstance(filter, Filter):
        raise TypeError("filter must be a recsys.Filter")
    return None if filter is None else ctypes.pointer(filter.struct)
