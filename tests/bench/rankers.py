"""Rankers on real data: the tables of docs/results.md.

  rankers.py LIBRECSYS DATA POSTERS PART...

DATA holds movielens-small/, movielens-1m/ and splits/ (warm.csv.gz, cold.csv, guests.csv: which ratings, films and users
each fold leaves out). POSTERS is a store with an embedding of every poster under the film's MovieLens id as key (made by
results.sh). PART is one of warm, cold, mixed, guests, seeds, papers, sweep, pairs; sweep=FILE.svg draws it, too. Needs NumPy.
"""
import csv
import ctypes as C
import gzip
import json
import re
import resource
import sqlite3
import sys
import time

import numpy as np

PLAIN = "values=binary alpha=0 theta=1 user_power=0 tau=0 new=none"


class Error(C.Structure):
    _fields_ = [("status", C.c_int32), ("detail", C.c_int32), ("message", C.c_char * 248)]


class Options(C.Structure):
    """recsys_evaluate_options"""

    _fields_ = [("struct_size", C.c_uint32), ("candidates", C.c_uint32), ("split", C.c_char_p), ("users", C.c_void_p),
                ("items", C.c_void_p), ("parts", C.c_void_p), ("n_ratings", C.c_uint64), ("k", C.c_void_p),
                ("n_k", C.c_uint32), ("repeats", C.c_uint32), ("relevant_from", C.c_double), ("fingerprint", C.c_char_p),
                ("threads", C.c_uint32), ("reserved", C.c_uint32), ("seed", C.c_uint64), ("progress", C.c_void_p),
                ("progress_user", C.c_void_p)]


def pointer(array):
    return array.ctypes.data_as(C.c_void_p)


def ids_of(values):
    return np.ascontiguousarray(values, np.int64)


class Library:
    def __init__(self, path):
        self.lib, self.error = C.CDLL(path), Error()

    def call(self, name, *arguments):
        if getattr(self.lib, name)(*arguments, C.byref(self.error)) < 0:
            raise RuntimeError(self.error.message.decode())

    def store(self):
        store = C.c_void_p()
        self.call("recsys_store_open", C.byref(store), b":memory:", None)
        return store

    def put(self, name, store, items, field, values):
        """Labels or texts."""
        n = len(items)
        fields, texts = (C.c_char_p * n)(*[field] * n), (C.c_char_p * n)(*[v.encode() for v in values])
        scores = [None] if name == "labels" else []
        self.call(f"recsys_store_put_{name}", store, pointer(ids_of(items)), fields, texts, *scores, C.c_size_t(n))

    def rate(self, store, users, items, values, times):
        for at in range(0, len(users), 100000):
            u, i, t = (ids_of(x[at : at + 100000]) for x in (users, items, times))
            v = np.ascontiguousarray(values[at : at + 100000], np.float32)
            self.call("recsys_store_put_ratings", store, pointer(u), pointer(i), pointer(v), pointer(t), C.c_size_t(len(u)), None)

    def evaluate(self, store, rankers, parts=None, pairs=None, split=None, hidden=False, relevant=4.0):
        options = Options(struct_size=C.sizeof(Options), candidates=int(hidden), relevant_from=relevant)
        if parts is not None:
            users, items, folds = ids_of(pairs[0]), ids_of(pairs[1]), np.ascontiguousarray(parts, np.uint8)
            options.users, options.items, options.parts = pointer(users), pointer(items), pointer(folds)
            options.n_ratings, options.repeats = len(users), len(folds)
        else:
            options.split = split.encode()
        evaluation, length = C.c_void_p(), C.c_size_t()
        self.call("recsys_evaluate", C.byref(evaluation), store, rankers.encode(), C.byref(options))
        self.lib.recsys_evaluation_describe(evaluation, None, C.c_size_t(0), C.byref(length), None)
        text = C.create_string_buffer(length.value + 1)
        self.call("recsys_evaluation_describe", evaluation, text, C.c_size_t(length.value + 1), None)
        self.lib.recsys_evaluation_close(evaluation)
        return json.loads(text.value)["rankers"]


class Films:
    """The films with a poster and at least five ratings, their features and folds."""

    def __init__(self, data, posters):
        with gzip.open(f"{data}/splits/warm.csv.gz", "rt") as file:
            rows = np.array([[int(x) for x in row] for row in list(csv.reader(file))[1:]])
        self.users, self.items, self.tests = rows[:, 0], rows[:, 1], rows[:, 2:].T == 1
        with open(f"{data}/movielens-small/ratings.csv") as file:
            rated = {(int(u), int(i)): (float(v), int(t)) for u, i, v, t in list(csv.reader(file))[1:]}
        found = [rated[pair] for pair in zip(self.users, self.items)]
        self.values, self.times = np.array([f[0] for f in found]), np.array([f[1] for f in found])
        self.films = np.unique(self.items)
        with open(f"{data}/movielens-small/movies.csv") as file:
            self.titles = {int(i): (title, genres.split("|")) for i, title, genres in list(csv.reader(file))[1:]}
        database = sqlite3.connect(f"file:{posters}?immutable=1", uri=True)
        rows = database.execute("SELECT key, vector FROM embedding JOIN item ON item.id = embedding.item")
        self.vectors = {int(key): np.frombuffer(vector, "<f4") for key, vector in rows}
        self.hidden = self.folds(f"{data}/splits/cold.csv")
        self.guests = self.folds(f"{data}/splits/guests.csv")
        self.pairs = (self.users, self.items)

    @staticmethod
    def folds(path):
        with open(path) as file:
            return {int(row[0]): [int(x) for x in row[1:]] for row in list(csv.reader(file))[1:]}

    def store(self, recsys):
        store = recsys.store()
        genres = [(f, g) for f in self.films for g in self.titles[f][1]]
        recsys.put("labels", store, [f for f, _ in genres], b"genre", [g for _, g in genres])
        names = [re.sub(r"\(\d{4}\)\s*$", "", self.titles[f][0]) for f in self.films]
        recsys.put("texts", store, self.films, b"title", names)
        years = [(f, re.search(r"\((\d{4})\)\s*$", self.titles[f][0])) for f in self.films]
        years = [(f, float(y.group(1))) for f, y in years if y]
        n = len(years)
        recsys.call("recsys_store_put_numbers", store, pointer(ids_of([f for f, _ in years])), (C.c_char_p * n)(*[b"year"] * n),
                    pointer(np.array([y for _, y in years])), C.c_size_t(n))
        rows = np.ascontiguousarray([self.vectors[f] for f in self.films], np.float32)
        recsys.call("recsys_store_put_embeddings", store, b"posters", C.c_uint32(rows.shape[1]), pointer(ids_of(self.films)),
                    None, pointer(rows), C.c_size_t(len(rows)))
        recsys.rate(store, self.users, self.items, self.values, self.times)
        return store


def table(rankers, metrics, group="all"):
    """nDCG@10 and RMSE as the mean over folds of each fold's mean, the others as means over users."""
    print("| ranker | " + " | ".join(metrics) + " | seconds |\n|" + " --- |" * (len(metrics) + 2))
    for ranker in rankers:
        found = ranker["groups"][group]["metrics"]
        cells = [f"{found[m]['repeat_mean' if m in ('ndcg@10', 'rmse') else 'mean']:.4f}" if m in found else "-" for m in metrics]
        print(f"| `{ranker['ranker']}` | " + " | ".join(cells) + f" | {ranker['seconds']:.1f} |", flush=True)


def warm(recsys, films, store):
    rankers = (f"ease; ease alpha=0 new=none; ease {PLAIN}; slim; slim values=binary; als; als values=binary; pure-svd; "
               "item-knn; user-knn; rp3beta; bpr; vbpr; content; popular; visual; category field=genre; svd; "
               'blend parts="ease; als; slim; item-knn; content"; blend parts="ease; als; slim; item-knn" by=ranks; '
               'blend parts="ease; als; slim; item-knn; content" by_length=1')
    found = recsys.evaluate(store, rankers, films.tests, films.pairs)
    table(found, ["ndcg@10", "recall@10", "map@10", "mrr@10", "auc", "coverage@10", "rmse"])


def cold(recsys, films, store):
    parts = np.array([films.hidden[i] for i in films.items]).T
    rankers = ("content; content picture_weight=0; content word_weight=0; content label_weight=0 number_weight=0 word_weight=0 "
               "picture_weight=1; visual; popular")
    found = recsys.evaluate(store, rankers, parts, films.pairs, hidden=True)
    table(found, ["ndcg@10", "recall@10", "auc"])
    without = found[1]["groups"]["all"]["metrics"]["ndcg@10"]
    print(f"paired difference of the pictures: {-without['difference']:.4f}, p = {without['p_value']:.4f}")


def mixed(recsys, films, store):
    hidden = np.array([films.hidden[i] for i in films.items]).T == 1
    found = recsys.evaluate(store, "ease; ease new=none; als; als new_items=0.1; als new_items=0.2; popular",
                            films.tests | hidden[:5], films.pairs)
    table(found, ["ndcg@10", "recall@10", "coverage@10"])
    print("of the hidden films alone:")
    table(found, ["ndcg@10", "recall@10"], "new-items")


def ndcg10(lists, relevant):
    gains = 1 / np.log2(np.arange(2, 12))
    return np.mean([sum(g for g, item in zip(gains, row) if item in wanted) / gains[: min(10, len(wanted))].sum()
                    for row, wanted in zip(lists, relevant)])


def guests(recsys, films, _store):
    """Guests are outside the fit; the history is the first few of their training ratings by time; what they rated later in
    the training part is not listed either."""
    lengths, long_list = (1, 3, 5, 10), 900
    rankers = ["ease", "ease tau=0", "als", "popular"]
    values = {name: {length: [] for length in lengths} for name in rankers}
    for fold in range(5):
        store = films.store(recsys)
        outside = np.array([films.guests[user][fold] == 1 for user in films.users])
        gone = films.tests[fold] | outside
        recsys.call("recsys_store_remove_ratings", store, pointer(ids_of(films.users[gone])), pointer(ids_of(films.items[gone])),
                    C.c_size_t(int(gone.sum())))
        people = []
        for user in (u for u, folds in films.guests.items() if folds[fold]):
            own = np.flatnonzero(films.users == user)
            own = own[np.lexsort((films.items[own], films.times[own]))]
            tested = films.tests[fold, own]
            wanted = set(films.items[own[tested & (films.values[own] >= 4)]])
            if wanted:
                people.append((own[~tested], wanted))
        for name in rankers:
            ranker = C.c_void_p()
            recsys.call("recsys_ranker_create", C.byref(ranker), store, name.encode(), None)
            recsys.call("recsys_ranker_fit", ranker, None)
            for length in lengths:
                known = [own[:length] for own, _ in people]
                offsets = np.concatenate([[0], np.cumsum([len(k) for k in known])]).astype(np.uint64)
                entries = np.concatenate(known)
                ids = np.zeros((len(people), long_list), np.int64)
                scores, counts = np.zeros(ids.shape), np.zeros(len(people), np.uint32)
                recsys.call("recsys_ranker_recommend_from", ranker, pointer(offsets), pointer(ids_of(films.items[entries])),
                            pointer(np.ascontiguousarray(films.values[entries], np.float32)), None, C.c_size_t(len(people)),
                            C.c_size_t(long_list), None, pointer(ids), pointer(scores), pointer(counts), None)
                rows = [[i for i in row if i not in set(films.items[own])][:10] for row, (own, _) in zip(ids, people)]
                values[name][length].append(ndcg10(rows, [wanted for _, wanted in people]))
            recsys.lib.recsys_ranker_close(ranker)
        recsys.lib.recsys_store_close(store)
    print("| ranker | " + " | ".join(map(str, lengths)) + " |\n|" + " --- |" * (len(lengths) + 1))
    for name in rankers:
        print(f"| `{name}` | " + " | ".join(f"{np.mean(values[name][n]):.4f}" for n in lengths) + " |")


def seeds(recsys, films, store):
    """The library's own split: mean over twenty seeds, and the deviation of one split's mean from another's."""
    rankers = f"ease; ease alpha=0 new=none; ease {PLAIN}; als; slim; item-knn; popular"
    means = {}
    for seed in range(1, 21):
        for ranker in recsys.evaluate(store, rankers, split=f"random test=0.2 repeats=1 seed={seed}"):
            means.setdefault(ranker["ranker"], []).append(ranker["groups"]["all"]["metrics"]["ndcg@10"]["mean"])
    print("| ranker | nDCG@10, mean | deviation | least | most |\n| --- | --- | --- | --- | --- |")
    for ranker, values in means.items():
        print(f"| `{ranker}` | {np.mean(values):.4f} | {np.std(values, ddof=1):.4f} | {min(values):.4f} | {max(values):.4f} |")


def papers(recsys, films, store):
    found = recsys.evaluate(store, "popular; user-knn; svd; visual; visual within_labels=genre; category field=genre; content; ease",
                            films.tests, films.pairs)
    table(found, [f"{m}@{k}" for m in ("map", "recall", "precision") for k in (10, 20)] + ["ndcg@10"])


def chart(path, sizes, lines):
    """Lines over neighbourhood sizes as SVG; lines: name -> values."""
    colours, most = ["#4a7ab5", "#b5574a", "#4a9b6b"], max(max(values) for values in lines.values()) * 1.1

    def place(size, value):
        return f"{60 + (size - sizes[0]) / (sizes[-1] - sizes[0]) * 500:.1f},{260 - value / most * 230:.1f}"

    with open(path, "w") as out:
        out.write('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 310" font-family="sans-serif" font-size="13">\n'
                  '<rect width="700" height="310" fill="#fff"/>\n<path d="M60 20V260H570" fill="none" stroke="#888"/>\n'
                  '<text x="315" y="300" text-anchor="middle">neighbours</text>\n<text x="16" y="14">nDCG@10</text>\n')
        for size in sizes:
            out.write(f'<text x="{place(size, 0).split(",")[0]}" y="278" text-anchor="middle">{size}</text>\n')
        for tenth in range(0, int(most * 20) + 1):
            y = place(sizes[0], tenth / 20).split(",")[1]
            out.write(f'<text x="54" y="{float(y) + 4:.1f}" text-anchor="end">{tenth / 20:.2f}</text>\n')
        for (name, values), colour in zip(lines.items(), colours):
            points = " ".join(place(size, value) for size, value in zip(sizes, values))
            end = points.split()[-1].split(",")
            shift = 14 if name == "user-knn" else -4
            out.write(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>\n'
                      f'<text x="{float(end[0]) + 8:.1f}" y="{float(end[1]) + shift:.1f}" fill="{colour}">{name}</text>\n')
        out.write("</svg>\n")


def sweep(recsys, films, store, picture=None):
    sizes = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    names = [("visual", "visual"), ("item-knn", "item-knn"), ("user-knn", "user-knn")]
    print("| neighbours | " + " | ".join(name for name, _ in names) + " |\n|" + " --- |" * (len(names) + 1))
    lines = {name: [] for name, _ in names}
    for size in sizes:
        found = recsys.evaluate(store, "; ".join(f"{r} neighbours={size}" for _, r in names), films.tests, films.pairs)
        for (name, _), ranker in zip(names, found):
            lines[name].append(ranker["groups"]["all"]["metrics"]["ndcg@10"]["repeat_mean"])
        print(f"| {size} | " + " | ".join(f"{lines[name][-1]:.4f}" for name, _ in names) + " |", flush=True)
    if picture:
        chart(picture, sizes, lines)


def pairs(recsys, data):
    """MovieLens 1M without values."""
    with gzip.open(f"{data}/movielens-1m/user-movie-pairs.tsv.gz", "rt") as file:
        rows = np.array([line.split() for line in file if line[0].isdigit()], np.int64)
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    store = recsys.store()
    recsys.rate(store, rows[:, 0], rows[:, 1], np.ones(len(rows)), np.zeros(len(rows), np.int64))
    rankers = [f"ease {PLAIN} lambda=500", "als values=binary regularization=40 alpha=2", "als values=binary",
               "pure-svd values=binary factors=50", "slim values=binary", "item-knn values=binary", "user-knn values=binary",
               "rp3beta values=binary", "bpr values=binary", "popular"]
    everybody, k = np.unique(rows[:, 0]), 10
    ids, scores = np.zeros((len(everybody), k), np.int64), np.zeros((len(everybody), k))
    counts = np.zeros(len(everybody), np.uint32)
    print("| ranker | nDCG@10 | recall@10 | fit | all lists | peak memory so far |\n|" + " --- |" * 6)
    for name in rankers:
        ranker = C.c_void_p()
        recsys.call("recsys_ranker_create", C.byref(ranker), store, name.encode(), None)
        start = time.perf_counter()
        recsys.call("recsys_ranker_fit", ranker, None)
        fitted = time.perf_counter()
        recsys.call("recsys_ranker_recommend", ranker, pointer(everybody), C.c_size_t(len(everybody)), C.c_size_t(k), None,
                    pointer(ids), pointer(scores), pointer(counts), None)
        done = time.perf_counter()
        recsys.lib.recsys_ranker_close(ranker)
        found = recsys.evaluate(store, name, split="random test=0.2 repeats=1", relevant=1.0)[0]["groups"]["all"]["metrics"]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"| `{name}` | {found['ndcg@10']['mean']:.4f} | {found['recall@10']['mean']:.4f} | {fitted - start:.2f} s | "
              f"{done - fitted:.2f} s | {peak:.2f} GB |", flush=True)


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    recsys, data = Library(sys.argv[1]), sys.argv[2]
    films = store = None
    for part in sys.argv[4:]:
        print(f"== {part}")
        if part == "pairs":
            pairs(recsys, data)
            continue
        if films is None:
            films = Films(data, sys.argv[3])
            store = films.store(recsys)
        if part.startswith("sweep="):
            sweep(recsys, films, store, part[6:])
            continue
        {"warm": warm, "cold": cold, "mixed": mixed, "guests": guests, "seeds": seeds, "papers": papers,
         "sweep": sweep}[part](recsys, films, store)


main()
