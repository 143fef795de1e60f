"""Writes expected.h: label metrics and losses of a small random example by scikit-learn and NumPy.

Usage: make_expected.py > expected.h (needs NumPy and scikit-learn)."""
import numpy as np
from sklearn import metrics

random = np.random.default_rng(5)
N, C = 60, 5
FIELDS = [(0, 2, 0), (2, 3, 1)]  # first, count, exclusive
matrix = np.zeros((N, C), int)
matrix[:, :2] = random.random((N, 2)) < [0.4, 0.15]
matrix[random.random((N, C)) < 0.15] = -1
matrix[:, 2:] = 0
matrix[np.arange(N), 2 + random.integers(0, 3, N)] = 1
matrix[::9, 2:] = -1
scores = np.round(random.random((N, C)), 2).astype("f")  # two digits: there are equal ones
scores[:, :2] = np.round(0.6 * scores[:, :2] + 0.3 * (matrix[:, :2] == 1), 2)
logits = (4 * random.random((N, C)) - 2).astype("f")
weights = np.array([2, 0.5, 1.5, 1, 0.25])
thresholds = np.zeros(C)


def best_threshold(column):
    known = matrix[:, column] >= 0
    y, s = matrix[known, column], scores[known, column].astype("d")
    best, at = -1, 0.5
    for value in sorted(set(s), reverse=True):
        f1 = metrics.f1_score(y, s >= value, zero_division=0)
        lower = s[s < value]
        if f1 >= best and f1 > 0:
            best, at = f1, (value + lower.max()) / 2 if len(lower) else value / 2
    return at


decisions = np.zeros((N, C), int)
for c in range(2):
    thresholds[c] = best_threshold(c)
    decisions[:, c] = scores[:, c] >= thresholds[c]
decisions[np.arange(N), 2 + scores[:, 2:].argmax(1)] = 1

rows = []
for c in range(C):
    known = matrix[:, c] >= 0
    y, d, s = matrix[known, c], decisions[known, c], scores[known, c]
    rows.append([known.sum(), y.sum(), metrics.accuracy_score(y, d), metrics.precision_score(y, d, zero_division=0),
                 metrics.recall_score(y, d, zero_division=0), metrics.f1_score(y, d, zero_division=0),
                 metrics.average_precision_score(y, s)])
known = matrix >= 0
y, d, s = matrix[known], decisions[known], scores[known]
rows.append([known.sum(), y.sum(), metrics.accuracy_score(y, d), metrics.precision_score(y, d), metrics.recall_score(y, d),
             metrics.f1_score(y, d), metrics.average_precision_score(y, s)])
rows.append([sum(r[0] for r in rows[:C]), sum(r[1] for r in rows[:C])] + list(np.mean([r[2:] for r in rows[:C]], axis=0)))

x = logits.astype("d")
loss, total, count = 0, 0, 0
for c in range(2):
    for i in range(N):
        if matrix[i, c] >= 0:
            p = 1 / (1 + np.exp(-x[i, c]))
            total -= weights[c] * np.log(p) if matrix[i, c] else np.log(1 - p)
            count += 1
loss += total / count
total, count = 0, 0
for i in range(N):
    if (matrix[i, 2:] == 1).any():
        label = matrix[i, 2:].argmax()
        z = x[i, 2:]
        total -= weights[2 + label] * (z[label] - np.log(np.exp(z).sum()))
        count += weights[2 + label]
loss += total / count


def table(name, kind, values, digits="%d"):
    print("static const %s %s[] = {%s};" % (kind, name, ", ".join(digits % v for v in values)))


print("/* Written by make_expected.py (scikit-learn, NumPy): do not edit. */")
print("enum { EXAMPLES = %d, LABELS = %d };" % (N, C))
table("matrix", "int8_t", matrix.ravel())
table("scores", "float", scores.ravel(), "%.9ef")
table("logits", "float", logits.ravel(), "%.9ef")
table("weights", "float", weights, "%.9ef")
table("thresholds", "double", thresholds, "%.17g")
print("static const double expected_loss = %.17g;" % loss)
print("/* known, support, accuracy, precision, recall, F1, average precision: labels, micro, macro */")
print("static const double expected[][7] = {%s};" % ", ".join("{%s}" % ", ".join("%.17g" % v for v in r) for r in rows))
