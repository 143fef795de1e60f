"""Makes vectors.json: one small shop, and what every language must answer. The answers are computed here, with NumPy in
float64, from the definitions in recsys.h: cosine and Euclidean neighbours under filters, "popular" and "visual".

    make_vectors.py > vectors.json
"""
import json

import numpy as np

N, DIM, USERS = 14, 6, 7
random = np.random.default_rng(20)
rows = random.integers(-8, 9, (N, DIM)) / 8.0
keys = [f"SKU-{i:02d}" for i in range(N)]
kinds = [["shoe", "bag", "shirt"][i % 3] for i in range(N)]
colours = [sorted(random.choice(["red", "blue", "green"], random.integers(1, 3), replace=False)) for _ in range(N)]
prices = [float(10 + 7 * (i % 5)) for i in range(N)]
shoppers = [f"user {u}" for u in range(USERS)]
ratings = [(u, int(i), float(random.integers(1, 6))) for u in range(USERS)
           for i in sorted(random.choice(N, random.integers(2, 6), replace=False))]


def cosine(a, b):
    return a @ b.T / (np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)[None])


def distance(a, b):
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(2))


def passes(i, f):
    labels = lambda field: [kinds[i]] if field == "kind" else colours[i] if field == "colour" else []
    good = all(set(v) & set(labels(k)) for k, v in f.get("any", {}).items())
    good &= all(set(v) <= set(labels(k)) for k, v in f.get("all", {}).items())
    good &= all(not set(v) & set(labels(k)) for k, v in f.get("none", {}).items())
    good &= all(low <= prices[i] <= high for low, high in f.get("range", {}).values())
    good &= "allow" not in f or keys[i] in f["allow"]
    return good and keys[i] not in f.get("deny", [])


def nearest(score, k, larger, f, leave=()):
    if "min_similarity" in f:
        ok = score >= f["min_similarity"]
    else:
        ok = score <= f.get("max_distance", np.inf)
    listed = [i for i in range(N) if ok[i] and passes(i, f) and i not in leave]
    listed.sort(key=lambda i: (-score[i] if larger else score[i], i))
    return [[keys[i], float(score[i])] for i in listed[:k]]


def near(query, k, metric, f, leave=()):
    score = (cosine if metric == "cosine" else distance)(query[None], rows)[0]
    return nearest(score, k, metric == "cosine", f, leave)


def popular(u, k):
    rated = {i for v, i, _ in ratings if v == u}
    count = np.array([sum(i == j for _, i, _ in ratings) for j in range(N)], float)
    listed = sorted((i for i in range(N) if i not in rated and count[i] > 0), key=lambda i: (-count[i], i))
    return [[keys[i], count[i]] for i in listed[:k]]


def visual(u, k, neighbours, threshold):
    sim = cosine(rows, rows)
    own = {i: r for v, i, r in ratings if v == u}
    score = np.zeros(N)
    for i, r in own.items():
        if r >= threshold:
            order = sorted((j for j in range(N) if j != i), key=lambda j: (-sim[i, j], j))[:neighbours]
            for j in order:
                score[j] += sim[i, j] * r
    listed = sorted((j for j in range(N) if j not in own and score[j] > 0), key=lambda j: (-score[j], j))
    return [[keys[i], float(score[i])] for i in listed[:k]]


cases = []
queries = random.integers(-8, 9, (3, DIM)) / 4.0
filters = [{}, {"any": {"kind": ["shoe", "bag"]}, "none": {"colour": ["red"]}}, {"all": {"colour": ["blue"]}},
           {"range": {"price": [17.0, 31.0]}}, {"allow": keys[:6], "deny": [keys[2]]}, {"allow": []}]
for f in filters:
    for metric in ("cosine", "euclidean"):
        cases.append({"call": "similar", "items": keys[3:7], "k": 4, "metric": metric, "filter": f,
                      "expect": [near(rows[i], 4, metric, f, (i,)) for i in range(3, 7)]})
for metric, f in (("cosine", {}), ("euclidean", {}), ("cosine", {"min_similarity": 0.25}), ("euclidean", {"max_distance": 2.5})):
    cases.append({"call": "search", "queries": queries.tolist(), "k": 5, "metric": metric, "filter": f,
                  "expect": [near(q, 5, metric, f) for q in queries]})
cases.append({"call": "recommend", "ranker": "popular by=count", "users": shoppers, "k": 3,
              "expect": [popular(u, 3) for u in range(USERS)]})
# Only shoppers whose list is filled by the algorithm alone: free places would go to popular items.
liked = [u for u in range(USERS) if len(visual(u, 3, 5, 2)) == 3]
assert len(liked) >= 5
cases.append({"call": "recommend", "ranker": "visual neighbours=5 rating_threshold=2", "users": [shoppers[u] for u in liked],
              "k": 3, "expect": [visual(u, 3, 5, 2) for u in liked]})
cases.append({"call": "recommend_from", "ranker": "visual neighbours=5 rating_threshold=2", "k": 3,
              "histories": [[[keys[i], r] for v, i, r in ratings if v == u] for u in liked],
              "expect": [visual(u, 3, 5, 2) for u in liked]})

print(json.dumps({
    "fingerprint": "vectors", "dim": DIM,
    "items": [{"key": keys[i], "row": rows[i].tolist(), "kind": kinds[i], "colours": colours[i], "price": prices[i]}
              for i in range(N)],
    "ratings": [[shoppers[u], keys[i], r] for u, i, r in ratings],
    "cases": cases,
}, indent=1))
