"""Writes rows_expected.h: a small search done by NumPy in float64.

Run: python3 make_rows_expected.py > rows_expected.h && clang-format -i rows_expected.h
"""
import numpy as np

DIM, K = 5, 6
rng = np.random.default_rng(11)
values = rng.normal(size=(14, DIM)).astype(np.float32)
items = np.array([40, 3, 17, 5, 5, 9, 17, 2, 30, 21, 8, 40, 33, 12])
pictures = np.array([0, 0, 0, 0, 4, 1, 7, 0, 0, 0, 0, 2, 0, 0])
query = rng.normal(size=DIM).astype(np.float32)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def tables(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return unit(a) @ unit(b).T, np.linalg.norm(a[:, None] - b[None], axis=-1)


def numbers(array):
    return "{" + ", ".join(repr(x) for x in array) + "}"


def floats(array):
    return "{" + ", ".join(float(x).hex() + "F" for x in array) + "}"


ids, scores, likeness = [], [], []
for metric, table in enumerate(tables(values, query[None])):
    sign = -1 if metric == 0 else 1
    best = {}
    for item, score in zip(items.tolist(), table[:, 0].tolist()):
        best[item] = min(best.get(item, np.inf), sign * score)
    order = sorted(best.items(), key=lambda pair: (pair[1], pair[0]))[:K]
    ids.append(numbers([item for item, _ in order]))
    scores.append(numbers([sign * score for _, score in order]))
    a, b = values[items == items[0]], values[items == items[1]]
    likeness.append(sign * float((sign * tables(a, b)[metric]).min()))

print("/* Written by make_rows_expected.py. */")
print(f"enum {{ EXPECTED_ROWS = {len(items)}, EXPECTED_DIM = {DIM}, EXPECTED_K = {K} }};")
print(f"static const int64_t expected_items[EXPECTED_ROWS] = {numbers(items.tolist())};")
print(f"static const int64_t expected_pictures[EXPECTED_ROWS] = {numbers(pictures.tolist())};")
print("static const float expected_values[EXPECTED_ROWS][EXPECTED_DIM] = {")
for row in values:
    print(f"    {floats(row)},")
print("};")
print(f"static const float expected_query[EXPECTED_DIM] = {floats(query)};")
print("/* By metric: cosine, Euclidean. */")
print("static const int64_t expected_ids[2][EXPECTED_K] = {" + ", ".join(ids) + "};")
print("static const double expected_scores[2][EXPECTED_K] = {\n    " + ",\n    ".join(scores) + ",\n};")
print(f"static const double expected_likeness[2] = {numbers(likeness)};")
