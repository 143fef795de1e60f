#!/usr/bin/env python3
"""States every algorithm's formula in NumPy over a small catalogue, and writes the lists that it gives to expected.txt.

Each line: the algorithm, the user, and item:score pairs, best first. test_lists.c builds the same catalogue (catalogue.h)
and compares. Run by hand after a change of a formula: /usr/bin/python3 make_expected.py
"""
import math
import os

import numpy as np

ITEMS, USERS, DIM, K = 60, 30, 16, 10
COLOURS = ["red", "blue", "green", "black", "white", "pink", "grey"]
THINGS = ["chair", "table", "lamp", "Sofa", "SHELF"]


def row(item, picture):
    state = (item * 7919 + picture * 104729 + 1) & 0xFFFFFFFF
    out = np.zeros(DIM)
    for d in range(DIM):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[d] = np.float32(np.float32(state >> 8) / np.float32(8388608.0) - np.float32(1))
    return out


def mix(a, b):
    h = (a * 2654435761 + b * 2246822519 + 374761393) & 0xFFFFFFFF
    h ^= h >> 15
    h = (h * 2246822519) & 0xFFFFFFFF
    h ^= h >> 13
    return h


R = np.zeros((USERS, ITEMS))
for u in range(USERS):
    for i in range(ITEMS):
        h = mix(u, i)
        if h % 100 < 25 - i // 4 and i < 55:  # the last five items are new
            R[u, i] = 0.5 + 0.5 * ((h >> 8) % 10)
PICTURES = [[row(i, 0)] + ([row(i, 1)] if i % 7 == 0 else []) if i % 20 != 3 else [] for i in range(ITEMS)]
LABELS = [[f"G{i % 4}"] + ([f"G{(i // 4) % 4}"] if (i // 4) % 4 != i % 4 else []) for i in range(ITEMS)]
PRICE = [None if i % 9 == 0 else float(i % 13) for i in range(ITEMS)]
TITLES = [f"{COLOURS[i % 7]} {THINGS[i % 5]}" for i in range(ITEMS)]
N = R > 0


def cosine(a, b):
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def likeness(i, j, metric):
    pairs = [(a, b) for a in PICTURES[i] for b in PICTURES[j]]
    if not pairs:
        return None
    if metric == "cosine":
        return max(cosine(a, b) for a, b in pairs)
    return 1 / (1 + min(float(np.linalg.norm(a - b)) for a, b in pairs))


def sims(metric):
    s = np.full((ITEMS, ITEMS), np.nan)
    for i in range(ITEMS):
        for j in range(ITEMS):
            value = likeness(i, j, metric) if i != j else None
            if value is not None:
                s[i, j] = value
    return s


SIMS = {m: sims(m) for m in ("cosine", "euclidean")}
lines = []


def emit(name, scores_of, users=range(6)):
    for u in users:
        s = np.array(scores_of(u), float)
        s[N[u]] = np.nan
        order = [j for j in sorted(range(ITEMS), key=lambda j: (-s[j] if s[j] == s[j] else math.inf, j))
                 if s[j] == s[j] and s[j] != 0][:K]
        lines.append(f"{name}|{u}|" + " ".join(f"{j}:{s[j]:.9g}" for j in order))


def visual(u, neighbours=40, metric="cosine", threshold=None, max_distance=None, within=False):
    out = np.full(ITEMS, np.nan)
    rated = np.flatnonzero(N[u])
    limit = R[u, rated].mean() - 1e-9 if threshold is None else threshold
    for i in rated:
        if R[u, i] < limit:
            continue
        near = [j for j in range(ITEMS) if SIMS[metric][i, j] == SIMS[metric][i, j]]
        if within:
            near = [j for j in near if set(LABELS[i]) & set(LABELS[j])]
        if max_distance is not None:
            far = (lambda s: 1 - s) if metric == "cosine" else (lambda s: 1 / s - 1)
            near = [j for j in near if far(SIMS[metric][i, j]) <= max_distance]
        near.sort(key=lambda j: (-SIMS[metric][i, j], j))
        for j in near[:neighbours]:
            out[j] = (0 if out[j] != out[j] else out[j]) + SIMS[metric][i, j] * R[u, i]
    return out


emit("visual", visual)
emit("visual neighbours=5", lambda u: visual(u, 5))
emit("visual neighbours=5 metric=euclidean", lambda u: visual(u, 5, "euclidean"))
emit("visual rating_threshold=2", lambda u: visual(u, threshold=2))
emit("visual max_distance=0.7", lambda u: visual(u, max_distance=0.7))
emit("visual metric=euclidean max_distance=2.9 rating_threshold=0", lambda u: visual(u, 40, "euclidean", 0, 2.9))
emit("visual within_labels=group", lambda u: visual(u, within=True))

counts, sums = N.sum(0), R.sum(0)
mean = R[N].mean()
emit("popular", lambda u: counts * 1.0)
emit("popular by=mean", lambda u: np.where(counts > 0, (sums + 5 * mean) / (counts + 5), 0))
emit("popular by=mean damping=0.5", lambda u: np.where(counts > 0, (sums + 0.5 * mean) / (counts + 0.5), 0))


def category(u, metric):
    def means(rows):
        got = {}
        for r, i in rows:
            for label in LABELS[i]:
                got.setdefault(label, []).append(r)
        return {label: np.mean(v) for label, v in got.items()}

    mine = means((R[u, i], i) for i in np.flatnonzero(N[u]))
    everybody = means((R[v, i], i) for v in range(USERS) for i in np.flatnonzero(N[v]))
    out = np.full(ITEMS, np.nan)
    for j in range(ITEMS):
        a = np.mean([mine.get(label, everybody.get(label, mean)) for label in LABELS[j]])
        s = [SIMS[metric][t, j] * R[u, t] for t in np.flatnonzero(N[u]) if t != j and SIMS[metric][t, j] == SIMS[metric][t, j]]
        if s:
            out[j] = a * sum(s)
    return out


emit("category field=group spread=0", lambda u: category(u, "cosine"))
emit("category field=group spread=0 metric=euclidean", lambda u: category(u, "euclidean"))

# -- collaborative: over the rated items only
rated = np.flatnonzero(N.any(0))
X = R[:, rated] / R.max()
B = (X > 0) * 1.0


def spread_out(scores):
    out = np.full(ITEMS, np.nan)
    out[rated] = scores
    return out


def best_rows(s, keep):
    """Of each row the `keep` largest entries above 0, ties to the smaller column."""
    s = s.copy()
    np.fill_diagonal(s, 0)
    out = np.zeros_like(s)
    for i in range(len(s)):
        order = [j for j in np.lexsort((np.arange(len(s)), -s[i].astype(np.float32))) if s[i, j] > 0][:keep]
        out[i, order] = s[i, order]
    return out


def item_knn(a, keep, shrinkage):
    norms = np.linalg.norm(a, axis=0)
    return best_rows(a.T @ a / (np.outer(norms, norms) + shrinkage), keep).T


def centred(a, axis):
    m = a.sum(axis, keepdims=True) / (a > 0).sum(axis, keepdims=True)
    return np.where(a > 0, a - m, 0)


def weigh(a, kind):
    """a: things compared (rows) by columns."""
    idf = np.maximum(0, np.log(a.shape[0] / (1 + (a != 0).sum(0))))
    if kind == "tfidf":
        return np.sqrt(np.maximum(a, 0)) * idf
    length = a.sum(1, keepdims=True)
    return np.where(a != 0, a * 2.2 / (1.2 * (0.25 + 0.75 * length / (a.sum() / a.shape[0])) + a), 0) * idf


for name, a in (
    ("item-knn neighbours=8 weight=none", X),
    ("item-knn neighbours=8 shrinkage=2.5 weight=none", X),
    ("item-knn neighbours=8 shrinkage=0 weight=tfidf", weigh(X.T, "tfidf").T),
    ("item-knn neighbours=8 shrinkage=0 weight=bm25", weigh(X.T, "bm25").T),
    ("item-knn neighbours=8 weight=none similarity=adjusted", centred(X, 1)),
    ("item-knn neighbours=8 weight=none similarity=pearson", centred(X, 0)),
):
    w = item_knn(a, 8, 2.5 if "2.5" in name else 0)
    emit(name, lambda u, w=w: spread_out(X[u] @ w))
both = B.T @ B
jaccard = both / (B.sum(0)[:, None] + B.sum(0)[None] - both)
w = best_rows(jaccard, 8).T
emit("item-knn neighbours=8 shrinkage=0 similarity=jaccard values=binary", lambda u: spread_out(B[u] @ w))


def user_knn(u, a, keep, jac=False):
    if jac:
        both = B @ B[u]
        s = both / (B.sum(1) + B[u].sum() - both)
    else:
        n = np.linalg.norm(a, axis=1)
        s = a @ a[u] / (n * n[u])
    s[u] = -1
    order = [v for v in np.lexsort((np.arange(USERS), -s)) if s[v] > 0][:keep]
    return spread_out(s[order] @ X[order])


emit("user-knn neighbours=6", lambda u: user_knn(u, X, 6))
emit("user-knn neighbours=6 similarity=pearson", lambda u: user_knn(u, centred(X, 1), 6))
emit("user-knn neighbours=6 similarity=jaccard", lambda u: user_knn(u, None, 6, True))

di, du = B.sum(0), B.sum(1)
walk = (X / du[:, None] ** 0.6).T @ X / di[:, None] ** 0.6 / di[None] ** 0.4
w_walk = best_rows(walk, 12)
emit("rp3beta neighbours=12 alpha=0.6 beta=0.4", lambda u: spread_out(X[u] @ w_walk))

_, _, vt = np.linalg.svd(X, full_matrices=False)
emit("pure-svd factors=5 iterations=300", lambda u: spread_out(X[u] @ vt[:5].T @ vt[:5]))


def slim(l1, l2):
    g, n = X.T @ X, X.shape[1]
    w = np.zeros((n, n))
    for j in range(n):
        for _ in range(3000):
            for i in range(n):
                if i != j:
                    w[i, j] = max(0, g[i, j] - g[i] @ w[:, j] + g[i, i] * w[i, j] - l1) / (g[i, i] + l2)
    return w


w_slim = slim(0.1, 0.5)
emit("slim l1=0.1 l2=0.5 iterations=10000 tolerance=1e-12", lambda u: spread_out(X[u] @ w_slim))

# -- the kernel
featured = ITEMS


def unit(m):
    n = np.linalg.norm(m, axis=1, keepdims=True)
    return np.where(n > 0, m / np.where(n > 0, n, 1), 0)


names = sorted({x for row_ in LABELS for x in row_})
G = np.array([[float(x in row_) for x in names] for row_ in LABELS])
G = unit(G * np.sqrt(np.log(featured / G.sum(0))))
low, high = min(p for p in PRICE if p is not None), max(p for p in PRICE if p is not None)
centres = np.linspace(low, high, 24)
Y = unit(np.array([[0 if p is None else max(0, 1 - abs(p - c) / (centres[1] - centres[0])) for c in centres] for p in PRICE]))
E = np.array([np.mean(p, 0) if p else np.full(DIM, np.nan) for p in PICTURES])
E = np.nan_to_num(E - np.nanmean(E, 0))
V = unit(E)
words = []
for title in TITLES:
    w = title.casefold().split()
    words.append(set(w) | {a + " " + b for a, b in zip(w, w[1:])})
vocabulary = sorted(x for x in set().union(*words) if sum(x in w for w in words) >= 2)
T = np.array([[float(x in w) for x in vocabulary] for w in words])
T *= np.sqrt(np.log(featured / T.sum(0)) / np.log(featured))


def kernel(a, y, v, p, t):
    k = a * G @ G.T + y * Y @ Y.T + v * V @ V.T
    return k + p * k * k + t * T @ T.T


def ease_weights(x, y, d, k, alpha, lam, theta):
    p = np.linalg.inv(x.T @ (d[:, None] * x) + alpha * k + lam * np.eye(x.shape[1]))
    m = p @ (x.T @ (d[:, None] * y) + alpha * k)
    return m - theta * p * (np.diag(m) / np.diag(p))


def plain_ease(g, lam):
    p = np.linalg.inv(g + lam * np.eye(len(g)))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    return b


def content_weights(columns, k, lam, smoothing, smoothing_lambda):
    h = 0.5 * (X + (R[:, rated] >= 0.8 * R.max()))
    b = plain_ease(h.T @ h, smoothing_lambda)
    a = np.linalg.solve(k[np.ix_(rated, rated)] + lam * np.eye(len(rated)), k[np.ix_(rated, columns)])
    return (np.eye(len(rated)) + smoothing * b) / (1 + smoothing) @ a, h


def share(u):
    n = int(N[u].sum())
    return 0 if n > 20 else 1 / (1 + n / 10)


d = (B.sum(1) / np.median(B.sum(1))) ** -0.3
Y_liked = 0.7 * X + 0.3 * (R[:, rated] >= 0.8 * R.max())
new = np.setdiff1d(np.arange(ITEMS), rated)
fresh, _ = content_weights(new, kernel(0.7, 0.35, 0.09, 0.25, 0.2), 3, 2, 200)


def ease(u, w, x, tau, with_new):
    profile = x[u] + tau * share(u) * x.mean(0)
    out = np.full(ITEMS, np.nan)
    out[rated] = profile @ w
    if with_new:
        out[new] = profile @ fresh
    return out


w_plain = ease_weights(B, B, np.ones(USERS), 0 * kernel(1, 1, 1, 1, 1)[np.ix_(rated, rated)], 0, 5, 1)
emit("ease values=binary alpha=0 theta=1 user_power=0 tau=0 new=none lambda=5", lambda u: ease(u, w_plain, B, 0, False))
w_stars = ease_weights(X, Y_liked, d, 0 * kernel(1, 1, 1, 1, 1)[np.ix_(rated, rated)], 0, 5, 0.5)
emit("ease alpha=0 theta=0.5 tau=0.3 new=none lambda=5", lambda u: ease(u, w_stars, X, 0.3, False))
w_full = ease_weights(X, Y_liked, d, kernel(1, 1, 0.09, 0.25, 0.3)[np.ix_(rated, rated)], 2, 5, 0)
emit("ease alpha=2 lambda=5", lambda u: ease(u, w_full, X, 0.3, True))
w_content, h_content = content_weights(np.arange(ITEMS), kernel(0.7, 0.35, 0.09, 0.25, 0.2), 3, 2, 20)
emit("content smoothing_lambda=20", lambda u: h_content[u] @ w_content)
w_pictures, _ = content_weights(np.arange(ITEMS), kernel(0, 0, 1, 0.25, 0), 3, 0, 20)
emit("content smoothing=0 label_weight=0 number_weight=0 word_weight=0 picture_weight=1", lambda u: h_content[u] @ w_pictures)

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "expected.txt"), "w") as out:
    out.write("\n".join(lines) + "\n")
