#!/usr/bin/env python3
"""Metrics of random lists by scikit-learn, SciPy and plain definitions; written to expected.h, which test_metrics.c reads.
Where ranx is installed (it was 0.3.21 when expected.h was made), every metric that it has must agree to 1e-9.

Run by hand: /usr/bin/python3 make_expected.py
"""
import os

import numpy as np
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

try:
    import ranx
except ImportError:
    ranx = None


def agrees_with_ranx(rel, by_place, k, values):
    names = ["ndcg", "precision", "recall", "map", None, "mrr", "hit_rate"]
    qrels = ranx.Qrels({"u": {str(i): 1 for i in np.flatnonzero(rel)}})
    run = ranx.Run({"u": {str(i): float(s) for i, s in enumerate(by_place)}})
    return all(abs(ranx.evaluate(qrels, run, f"{name}@{k}") - value) < 1e-9 for name, value in zip(names, values) if name)


rng = np.random.default_rng(7)
cases = []
for n, relevant, k, levels in [(8, 1, 3, 3), (12, 5, 3, 4), (12, 5, 10, 100), (30, 12, 10, 5), (30, 1, 20, 7), (50, 20, 10, 1000), (6, 6, 4, 9), (40, 3, 100, 2)]:
    scores = np.sort(rng.integers(0, levels, n).astype(float))[::-1]
    rel = np.zeros(n, int)
    rel[rng.choice(n, relevant, replace=False)] = 1
    # For measures of order the list's own order decides, so ties are broken by place.
    by_place = -np.arange(n, dtype=float)
    found = np.flatnonzero(rel)
    cut = found[found < k]
    precision_at = [(i + 1) / (p + 1) for i, p in enumerate(cut)]
    top = rel[:k].sum()
    ap_all = average_precision_score(rel, by_place) if k >= n else None
    if ap_all is not None:
        assert abs(ap_all - sum(precision_at) / relevant) < 1e-12
    values = [
        ndcg_score([rel], [by_place], k=k),
        top / k,
        top / relevant,
        sum(precision_at) / relevant,
        sum(precision_at) / min(k, relevant),
        1 / (cut[0] + 1) if len(cut) else 0,
        float(top > 0),
    ]
    assert ranx is None or agrees_with_ranx(rel, by_place, k, values), (n, relevant, k)
    auc = roc_auc_score(rel, scores) if 0 < relevant < n else float("nan")
    cases.append((n, k, relevant, scores, rel, values, auc))


def gini(x):
    """Half of the relative mean absolute difference."""
    x = np.asarray(x, float)
    return np.abs(x[:, None] - x[None]).sum() / (2 * len(x) ** 2 * x.mean())


counts = [[1, 1, 1, 1], [0, 0, 0, 5], [1, 2, 3, 4, 10, 0, 0, 7]]
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "expected.h")
with open(path, "w") as out:
    out.write("/* Made by make_expected.py. */\n/* clang-format off */\n")
    out.write("static const struct { size_t n, k, relevant; double scores[50]; uint8_t rel[50]; double values[7], auc; } cases[] = {\n")
    for n, k, relevant, scores, rel, values, auc in cases:
        out.write(f"  {{{n}, {k}, {relevant}, {{{', '.join(map(str, scores))}}}, {{{', '.join(map(str, rel))}}},\n")
        out.write(f"   {{{', '.join(repr(float(v)) for v in values)}}}, {'NAN' if auc != auc else repr(float(auc))}}},\n")
    out.write("};\nstatic const struct { size_t n; double counts[8], gini; } unequal[] = {\n")
    for c in counts:
        out.write(f"  {{{len(c)}, {{{', '.join(map(str, c))}}}, {gini(c)!r}}},\n")
    out.write("};\n/* clang-format on */\n")
