"""Search beside faiss, usearch and hnswlib (PyPI), from Python on all sides, two threads each: exact and approximate, one
query and many, the neighbours of all rows, building an index. Rounds alternate among the libraries; a number is the
median of the rounds, with their range. Approximate searches are compared at the least effort that finds 99 % of the ten
nearest. Prints Markdown tables.

    search.py FILE DIM [ROUNDS=5]     FILE: float32 rows as rows.py writes them, of which the last 1,000 are queries;
                                      RECSYS_LIBRARY says where librecsys.so is. A library that is absent is left out.
"""
import os
import sys
import time

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bindings/python"))
import recsys  # noqa: E402
from peers import left_out, note  # noqa: E402

QUERIES, K, THREADS = 1000, 10, 2
EFFORTS = (10, 15, 20, 30, 40, 60, 80, 120, 160)


def timed(function):
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


class Ours:
    name = "librecsys"

    def __init__(self, rows):
        self.store = recsys.Store(":memory:", threads=THREADS)
        self.items = np.arange(len(rows))
        self.store.put_embeddings(self.items, rows, fingerprint="bench")

    def exact(self, queries):
        return self.store.search(queries, K).ids

    def one_thread_queries(self, queries, effort):
        return np.concatenate([self.store.search(q, K, approximate=True, effort=effort).ids for q in queries])

    def all_pairs(self, k):
        return self.store.similar(self.items, k).ids

    def build(self):
        self.store.build_index()


class Faiss:
    name = "faiss"

    def __init__(self, rows):
        import faiss
        self.faiss, self.rows = faiss, rows
        faiss.omp_set_num_threads(THREADS)
        self.flat, self.codes = faiss.IndexFlatIP(rows.shape[1]), faiss.IndexScalarQuantizer(
            rows.shape[1], faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
        self.flat.add(rows)
        self.codes.train(rows[:20000])
        self.codes.add(rows)

    def exact(self, queries):
        return self.flat.search(queries, K)[1]

    def quantised(self, queries):
        return self.codes.search(queries, K)[1]

    def build(self):
        self.index = self.faiss.IndexHNSWFlat(self.rows.shape[1], 16, self.faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = 100
        self.index.add(self.rows)

    def one_thread_queries(self, queries, effort):
        self.index.hnsw.efSearch = effort
        return np.concatenate([self.index.search(q[None], K)[1] for q in queries])


class Usearch:
    name = "usearch (bf16 index)"

    def __init__(self, rows):
        from usearch.index import Index
        self.Index, self.rows = Index, rows
        self.codes = Index(ndim=rows.shape[1], metric="cos", dtype="i8")
        self.codes.add(np.arange(len(rows)), rows, threads=THREADS)

    def quantised(self, queries):
        return self.codes.search(queries, K, exact=True, threads=THREADS).keys.reshape(len(queries), K)

    def build(self):
        self.index = self.Index(ndim=self.rows.shape[1], metric="cos", dtype="bf16", connectivity=16, expansion_add=100)
        self.index.add(np.arange(len(self.rows)), self.rows, threads=THREADS)

    def one_thread_queries(self, queries, effort):
        self.index.expansion_search = effort
        return np.stack([self.index.search(q, K).keys for q in queries])


class Hnswlib:
    name = "hnswlib"

    def __init__(self, rows):
        import hnswlib
        self.module, self.rows = hnswlib, rows

    def build(self):
        self.index = self.module.Index("ip", self.rows.shape[1])
        self.index.init_index(len(self.rows), M=16, ef_construction=100)
        self.index.set_num_threads(THREADS)
        self.index.add_items(self.rows)
        self.index.set_num_threads(1)

    def one_thread_queries(self, queries, effort):
        self.index.set_ef(max(effort, K))
        return np.concatenate([self.index.knn_query(q, K)[0] for q in queries])


def recall(found, truth):
    return np.mean([len(set(a) & set(b)) / K for a, b in zip(found.tolist(), truth.tolist())])


def show(title, times, unit):
    """times: name -> seconds of the rounds, in this unit; ratios within each round."""
    print(f"\n{title}\n\n| library | median | range | times librecsys |\n| --- | --- | --- | --- |")
    for name, values in times.items():
        ratios = np.array(values) / np.array(times[Ours.name])
        if name != Ours.name:
            note("Search", title.rpartition(", ")[0], name, times[Ours.name], values, title.rpartition(", ")[2].partition(" ")[0], unit)
        print(f"| {name} | {np.median(values) * unit:.3f} | {min(values) * unit:.3f} to {max(values) * unit:.3f} | "
              f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f}) |")


def main():
    path, dim = sys.argv[1], int(sys.argv[2])
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    rows = np.fromfile(path, "<f4").reshape(-1, dim)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows, queries = np.ascontiguousarray(rows[:-QUERIES]), np.ascontiguousarray(rows[-QUERIES:])
    libraries = []
    for kind in (Ours, Faiss, Usearch, Hnswlib):
        try:
            libraries.append(kind(rows))
        except ImportError as reason:
            left_out(f"{kind.name} ({reason})")
    print(f"{len(rows)} rows of {dim}, k = {K}, {THREADS} threads, {rounds} rounds")
    truth = np.argsort(-(queries.astype(np.float64) @ rows.T.astype(np.float64)), axis=1)[:, :K]

    def rounds_of(tasks):
        times = {name: [] for name, _ in tasks}
        for _ in range(rounds):
            for name, task in tasks:
                times[name].append(timed(task)[0])
        return times

    by_name = {library.name: library for library in libraries}
    ours = by_name[Ours.name]
    share = recall(ours.exact(queries), truth)
    assert share > 0.9999, share  # ties aside, the float64 answer
    singles = [(ours.name, lambda: [ours.exact(q[None]) for q in queries[:50]])]
    for name in ("faiss", "usearch (bf16 index)"):
        if name in by_name:
            library = by_name[name]
            label = "faiss SQ8" if name == "faiss" else "usearch i8"
            singles.append((f"{label} (finds {100 * recall(library.quantised(queries), truth):.1f} %)",
                            lambda library=library: [library.quantised(q[None]) for q in queries[:50]]))
    if "faiss" in by_name:
        singles.append(("faiss flat", lambda: [by_name["faiss"].exact(q[None]) for q in queries[:50]]))
    show("One exact query, ms", rounds_of(singles), 1e3 / 50)
    blocks = [(name, lambda l=library: l.exact(queries[:200])) for name, library in by_name.items() if hasattr(library, "exact")]
    show("200 exact queries at once, each, ms", rounds_of(blocks), 1e3 / 200)
    if "faiss" in by_name:
        few = 5000
        pairs = [(ours.name, lambda: ours.all_pairs(50)), ("faiss flat", lambda: by_name["faiss"].flat.search(rows[:few], 51))]
        times = rounds_of(pairs)
        times["faiss flat"] = [t * len(rows) / few for t in times["faiss flat"]]
        show(f"50 neighbours of all rows (faiss: of {few}, times {len(rows) // few}), s", times, 1)
    show("Building an index (16 links, effort 100), s", rounds_of([(n, l.build) for n, l in by_name.items()]), 1)
    chosen = {}
    for name, library in by_name.items():
        for effort in EFFORTS:
            share = recall(library.one_thread_queries(queries, effort), truth)
            if share >= 0.99:
                chosen[name] = (effort, share)
                break
    for name in by_name.keys() - chosen.keys():
        left_out(f"{name} in approximate queries (it finds less than 99 %)")
    print("\nleast effort of", EFFORTS, "that finds 99 %:", {n: (e, round(float(s), 4)) for n, (e, s) in chosen.items()})
    show("One approximate query, ms", rounds_of([(n, lambda l=by_name[n], e=chosen[n][0]: l.one_thread_queries(queries, e))
                                                 for n in chosen]), 1e3 / QUERIES)


main()
