"""Fitting and lists beside implicit and NumPy, in turn in one run.

  rank.py LIBRECSYS PAIRS [ROUNDS]

PAIRS: lines of user, item (gzip allowed; lines that do not begin with a digit are skipped), such as MovieLens-1M's. Needs
NumPy and threadpoolctl. The peer (implicit, from PyPI) is left out, and named, where it is not installed; without NumPy nothing runs. Quality is
nDCG@10 on one random 20 % of the pairs that both are given in the same way. Threads: as many as processors may be used.
"""
import ctypes as C
import gzip
import os
import statistics
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # implicit threads by itself; NumPy's EASE sets it back below
import numpy as np
from peers import note

try:
    import implicit
    import scipy.sparse
    from implicit.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import CosineRecommender
except ImportError:
    implicit = None

K = 10


class Error(C.Structure):
    _fields_ = [("status", C.c_int32), ("detail", C.c_int32), ("message", C.c_char * 248)]


class Library:
    """As much of the ABI as is measured here."""

    def __init__(self, path):
        self.lib, self.error = C.CDLL(path), Error()

    def call(self, name, *arguments):
        if getattr(self.lib, name)(*arguments, C.byref(self.error)) < 0:
            raise RuntimeError(self.error.message.decode())

    def store(self, users, items):
        store = C.c_void_p()
        self.call("recsys_store_open", C.byref(store), b":memory:", None)
        for at in range(0, len(users), 100000):
            u, i = (np.ascontiguousarray(x[at : at + 100000], np.int64) for x in (users, items))
            ones = np.ones(len(u), np.float32)
            self.call("recsys_store_put_ratings", store, pointer(u), pointer(i), pointer(ones), None, C.c_size_t(len(u)), None)
        return store

    def ranker(self, store, algorithm):
        ranker = C.c_void_p()
        self.call("recsys_ranker_create", C.byref(ranker), store, algorithm.encode(), None)
        return ranker

    def fit(self, ranker):
        self.call("recsys_ranker_fit", ranker, None)

    def recommend(self, ranker, users, ids, scores, counts):
        self.call("recsys_ranker_recommend", ranker, pointer(users), C.c_size_t(len(users)), C.c_size_t(ids.shape[1]), None,
                  pointer(ids), pointer(scores), pointer(counts), None)


def pointer(array):
    return array.ctypes.data_as(C.c_void_p)


def read_pairs(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rt") as file:
        pairs = np.array([line.split()[:2] for line in file if line[0].isdigit()], np.int64)
    _, users = np.unique(pairs[:, 0], return_inverse=True)
    _, items = np.unique(pairs[:, 1], return_inverse=True)
    order = np.lexsort((items, users))
    return users[order].astype(np.int64), items[order].astype(np.int64)


def ndcg(lists, test):
    """test: a set of items for each user; the mean over users with a test item, the ideal over min(10, |T|)."""
    gains = 1 / np.log2(np.arange(2, K + 2))
    values = [sum(g for g, item in zip(gains, row) if item in wanted) / gains[: min(K, len(wanted))].sum()
              for row, wanted in zip(lists, test) if wanted]
    return float(np.mean(values))


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(name, ours, theirs, rounds, peer):
    """Alternating runs; the ratio's median and range."""
    mine, other = [], []
    for _ in range(rounds):
        mine.append(seconds(ours))
        if theirs:
            other.append(seconds(theirs))
    line = f"{name:34s} recsys {statistics.median(mine) * 1000:9.1f} ms"
    if theirs:
        ratios = sorted(b / a for a, b in zip(mine, other))
        note("Ranking", name, peer, mine, other, "ms", 1e3)
        line += (f"   {peer} {statistics.median(other) * 1000:9.1f} ms   {statistics.median(ratios):5.2f} x as fast "
                 f"({ratios[0]:.2f} to {ratios[-1]:.2f})")
    print(line, flush=True)


def numpy_ease(users, items, shape):
    x = np.zeros(shape)
    x[users, items] = 1
    gram = x.T @ x

    def fit():
        a = x.T @ x
        a[np.diag_indices_from(a)] += 200
        p = np.linalg.inv(a)
        w = p / -np.diag(p)
        np.fill_diagonal(w, 0)
        return w

    del gram
    return fit


def main(library, path, rounds):
    recsys = Library(library)
    users, items = read_pairs(path)
    shape = (users.max() + 1, items.max() + 1)
    train = np.random.default_rng(1).random(len(users)) >= 0.2
    test = [set() for _ in range(shape[0])]
    for user, item in zip(users[~train], items[~train]):
        test[user].add(item)
    print(f"{len(users):,} pairs, {shape[0]:,} users, {shape[1]:,} items, {len(os.sched_getaffinity(0))} processors, "
          f"medians of {rounds} alternating rounds")
    store = recsys.store(users[train], items[train])
    everybody = np.arange(shape[0], dtype=np.int64)
    ids = np.zeros((len(everybody), K), np.int64)
    scores, counts = np.zeros(ids.shape), np.zeros(len(everybody), np.uint32)
    matrix = None
    if implicit:
        ones = np.ones(int(train.sum()), np.float32)
        matrix = scipy.sparse.csr_matrix((ones, (users[train], items[train])), shape=shape)
    else:
        print("implicit is not installed: pip install implicit")

    def lists(ranker):
        recsys.recommend(ranker, everybody, ids, scores, counts)

    # als: the same factors, iterations, confidence and conjugate-gradient steps; each its own best regularization.
    als = recsys.ranker(store, "als factors=64 iterations=15 values=binary")
    peer = implicit and AlternatingLeastSquares(factors=64, iterations=15, alpha=8, regularization=20, random_state=1)
    compare("als, 64 factors, 15 iterations", lambda: recsys.fit(als),
            implicit and (lambda: peer.fit(matrix, show_progress=False)), rounds, "implicit")
    compare("als, lists for all users", lambda: lists(als),
            implicit and (lambda: peer.recommend(everybody, matrix[everybody], N=K)), rounds, "implicit")
    lists(als)
    print(f"  nDCG@10: recsys {ndcg(ids, test):.4f}", end="")
    print(f", implicit {ndcg(peer.recommend(everybody, matrix[everybody], N=K)[0], test):.4f}" if implicit else "")

    # item-knn: cosine, 100 neighbours
    knn = recsys.ranker(store, "item-knn values=binary weight=none neighbours=100")
    peer_knn = implicit and CosineRecommender(K=100)
    compare("item-knn, 100 neighbours", lambda: recsys.fit(knn),
            implicit and (lambda: peer_knn.fit(matrix, show_progress=False)), rounds, "implicit")
    compare("item-knn, lists for all users", lambda: lists(knn),
            implicit and (lambda: peer_knn.recommend(everybody, matrix[everybody], N=K)), rounds, "implicit")
    lists(knn)
    print(f"  nDCG@10: recsys {ndcg(ids, test):.4f}", end="")
    print(f", implicit {ndcg(peer_knn.recommend(everybody, matrix[everybody], N=K)[0], test):.4f}" if implicit else "")

    # one user at a time
    for name, ranker in (("als", als), ("item-knn", knn)):
        times = []
        for user in range(2000):
            one = everybody[user : user + 1]
            times.append(seconds(lambda: recsys.recommend(ranker, one, ids[:1], scores[:1], counts[:1])))
        times = np.sort(times) * 1000
        print(f"{name + ', one user at a time':34s} recsys {times[1000]:9.3f} ms   p99 {times[1980]:.3f} ms (called through ctypes)")

    # ease, the plain binary one
    from threadpoolctl import threadpool_limits
    with threadpool_limits(len(os.sched_getaffinity(0))):
        ease = recsys.ranker(store, "ease values=binary alpha=0 theta=1 user_power=0 new=none tau=0 liked_weight=0")
        compare("ease, plain", lambda: recsys.fit(ease), numpy_ease(users[train], items[train], shape), min(rounds, 3), "NumPy")
    times = []
    for user in range(2000):
        one = everybody[user : user + 1]
        times.append(seconds(lambda: recsys.recommend(ease, one, ids[:1], scores[:1], counts[:1])))
    times = np.sort(times) * 1000
    print(f"{'ease, one user at a time':34s} recsys {times[1000]:9.3f} ms   p99 {times[1980]:.3f} ms (called through ctypes)")
    lists(ease)
    print(f"  nDCG@10: recsys {ndcg(ids, test):.4f}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 5)
