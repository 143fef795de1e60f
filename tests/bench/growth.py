"""How time and memory grow with a shop: 10,000 to 1,000,000 items, and as many users.

    growth.py WORK CACHE PAIRS [CHART] [LARGEST=1000000]   WORK: a folder for rows and stores (5 GB); CACHE: as for rows.py
                                                 (run.sh leaves one in BUILD_FOLDER/bench/cache);
                                                 PAIRS: user and item of MovieLens 1M; CHART: an SVG file to write

Items: rows of 512 with the statistics of real embeddings (rows.py). Users: each a drawn user of MovieLens 1M, with a
quarter of that history's length, and items drawn by how often they were rated; 3,706 items. Each size runs in a process of
its own. Prints Markdown tables: seconds or milliseconds, how much each step of ten costs, and what theory says. RECSYS_LIBRARY says
where librecsys.so is.
"""
import gzip
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DIM, K, THREADS = 512, 10, 2
MOST_PAIRS = 200000
# What each step of ten should cost, at most: quantity -> (unit, scale, theory in words, factor of n = 10 m)
ITEMS = {"rows": ("items", 1, "", None),
         "open": ("s", 1, "n", lambda n: 10), "exact": ("ms", 1e3, "n", lambda n: 10),
         "build": ("s", 1, "n log n", lambda n: 10 * math.log(n) / math.log(n / 10)),
         "approximate": ("ms", 1e3, "log n", lambda n: math.log(n) / math.log(n / 10)),
         "recall": ("share", 1, "falls slowly", None),
         "pairs": ("s", 1, "n^2", lambda n: 100), "add": ("ms", 1e3, "log n", lambda n: math.log(n) / math.log(n / 10)),
         "refresh": ("ms", 1e3, "the change, not the store", lambda n: 1), "memory": ("MB", 1, "n, two handles", lambda n: 10)}
USERS = {"users": ("users", 1, "", None), "ratings": ("ratings", 1, "n", None), "put": ("s", 1, "n", lambda n: 10),
         "open": ("s", 1, "n", lambda n: 10), "als": ("s", 1, "n", lambda n: 10), "ease": ("s", 1, "n + items^3", lambda n: 10),
         "item-knn": ("s", 1, "n", lambda n: 10), "popular": ("s", 1, "n", lambda n: 10),
         "list": ("ms", 1e3, "the history, not n", lambda n: 1), "memory": ("MB", 1, "n", lambda n: 10)}


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def middle(work, n):
    return statistics.median(seconds(lambda i=i: work(i)) for i in range(n))


def library():
    sys.path.insert(0, os.path.join(HERE, "../../bindings/python"))
    import recsys
    return recsys


def remove(path):
    for end in ("", "-wal", "-shm", "-index-1"):
        if os.path.exists(path + end):
            os.remove(path + end)


def items(work, n):
    import numpy as np
    recsys = library()
    rows = np.memmap(f"{work}/rows.f32", "<f4").reshape(-1, DIM)
    path = f"{work}/items.recsys"
    remove(path)
    store = recsys.Store(path, threads=THREADS)
    for first in range(0, n, 50000):
        last = min(first + 50000, n)
        store.put_embeddings(np.arange(first, last), np.ascontiguousarray(rows[first:last]), fingerprint="bench")
    store.close()
    opened = []
    found = {"rows": n, "open": min(seconds(lambda: opened.append(recsys.Store(path, threads=THREADS))) for _ in range(2))}
    opened.pop(0).close()
    store = opened[0]
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    probes = np.random.default_rng(1).integers(n, size=200)
    found["exact"] = middle(lambda i: store.similar(probes[i : i + 1], K), 50)
    if n <= MOST_PAIRS:
        found["pairs"] = seconds(lambda: store.similar(np.arange(n), 50))
    if n == MOST_PAIRS:  # no step of the table: it is here for that one number
        return found
    found["build"] = seconds(store.build_index)
    found["approximate"] = middle(lambda i: store.similar(probes[i : i + 1], K, approximate=True), 200)
    found["recall"] = store.measure_recall(500, K)
    other = recsys.Store(path, threads=THREADS)
    new = np.ascontiguousarray(rows[-100:])
    found["add"] = middle(lambda i: store.put_embeddings([n + i], new[i : i + 1], fingerprint="bench"), 50)
    other.refresh()
    changes = iter(range(50))

    def change_and_refresh(_):
        store.put_embeddings([n + 50 + next(changes)], new[:1], fingerprint="bench")

    waits = []
    for i in range(20):
        change_and_refresh(i)
        waits.append(seconds(other.refresh))
    found["refresh"] = statistics.median(waits)
    found["memory"] = base
    other.close()
    store.close()
    remove(path)
    return found


def users(work, n, pairs):
    import numpy as np
    recsys = library()
    with (gzip.open if pairs.endswith(".gz") else open)(pairs, "rt") as file:
        given = np.array([line.split()[:2] for line in file if line[0].isdigit()], np.int64)
    degrees = np.unique(given[:, 0], return_counts=True)[1]
    movies, popularity = np.unique(given[:, 1], return_counts=True)
    random = np.random.default_rng(1)
    path = f"{work}/users.recsys"
    remove(path)
    store = recsys.Store(path, threads=THREADS)
    store.put_numbers(movies, "x", np.zeros(len(movies)))
    total, spent = 0, 0.0
    for first in range(0, n, 20000):
        who = np.arange(first, min(first + 20000, n))
        lengths = np.maximum(random.choice(degrees, len(who)) // 4, 5)
        who = np.repeat(who, lengths)
        what = random.choice(movies, len(who), p=popularity / popularity.sum())
        keys = np.unique(who * (movies.max() + 1) + what)
        who, what = keys // (movies.max() + 1), keys % (movies.max() + 1)
        values = random.integers(1, 6, len(who)).astype(float)
        spent += seconds(lambda: store.put_ratings(who, what, values))
        total += len(who)
    store.close()
    opened = []
    found = {"users": n, "ratings": total, "put": spent, "open": seconds(lambda: opened.append(recsys.Store(path, threads=THREADS)))}
    store = opened[0]
    for name, how in (("popular", "popular"), ("item-knn", "item-knn neighbours=100 weight=none"), ("ease", "ease new=none"),
                      ("als", "als factors=64 iterations=5")):
        ranker = recsys.Ranker(store, how)
        found[name] = seconds(ranker.fit)
        if name == "als":
            found["list"] = middle(lambda i: ranker.recommend([i * (n // 200)], K), 200)
        ranker.close()
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    store.close()
    remove(path)
    return found


def shown(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def table(title, kinds, columns):
    print(f"\n{title}\n\n| what | unit | " + " | ".join(f"{next(iter(c.values())):,}" for c in columns) + " | steps of ten | theory |")
    print("| --- | --- |" + " --- |" * len(columns) + " --- | --- |")
    for name, (unit, scale, theory, factor) in list(kinds.items())[1:]:
        values = [c.get(name) for c in columns]
        sizes = [next(iter(c.values())) for c in columns]
        steps = []
        for (m, a), (n, b) in zip(zip(sizes, values), zip(sizes[1:], values[1:])):
            if a and b and factor:
                expected = factor(n) if n == 10 * m else None
                steps.append(f"{b / a:.1f}" + (f" ({expected:.1f})" if expected else ""))
        cells = ["" if v is None else shown(v * scale) for v in values]
        print(f"| {name} | {unit} | " + " | ".join(cells) + f" | {', '.join(steps)} | {theory} |")


def chart(path, groups):
    """Every quantity over its size, both logarithmic, in seconds."""
    width, height, left, top = 330, 300, 60, 30
    colours = ["#1b6", "#27c", "#c42", "#a4b", "#888", "#b80", "#088", "#555"]
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * (width + left + 110)} {height + 70}" font-family="sans-serif" '
           f'font-size="12">', f'<rect width="{2 * (width + left + 110)}" height="{height + 70}" fill="#fff"/>']
    for g, (title, kinds, columns) in enumerate(groups):
        x0 = left + g * (width + left + 110)
        names = [k for k, v in kinds.items() if v[0] in ("s", "ms")]
        out.append(f'<text x="{x0}" y="16">{title}</text>')

        def place(n, v):
            return f"{x0 + width * (math.log10(n) - 4) / 2:.1f},{top + height * (3 - math.log10(v)) / 8:.1f}"

        for power in range(-5, 4):
            y = top + height * (3 - power) / 8
            out.append(f'<path d="M{x0} {y:.1f}H{x0 + width}" stroke="#eee"/><text x="{x0 - 4}" y="{y + 4:.1f}" text-anchor="end" '
                       f'fill="#666">{10.0 ** power:g} s</text>')
        for power in (4, 5, 6):
            x = x0 + width * (power - 4) / 2
            out.append(f'<text x="{x:.1f}" y="{top + height + 18}" text-anchor="middle" fill="#666">{10 ** power:,}</text>')
        ends = []
        for name, colour in zip(names, colours * 2):
            points = [place(next(iter(c.values())), c[name]) for c in columns if c.get(name)]
            y = float(points[-1].split(",")[1])
            while any(abs(y - e) < 12 for e in ends):
                y += 4
            ends.append(y)
            out.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>'
                       f'<text x="{x0 + width + 8}" y="{y + 4:.1f}" fill="{colour}">{name}</text>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n</svg>\n")


def main():
    if sys.argv[1] in ("items", "users"):
        print(json.dumps(items(sys.argv[2], int(sys.argv[3])) if sys.argv[1] == "items" else
                         users(sys.argv[2], int(sys.argv[3]), sys.argv[4])))
        return
    work, cache, pairs = sys.argv[1:4]
    largest = int(sys.argv[5]) if len(sys.argv) > 5 else 1000000
    os.makedirs(work, exist_ok=True)
    if not os.path.exists(f"{work}/rows.f32") or os.path.getsize(f"{work}/rows.f32") < (largest + 1000) * DIM * 4:
        subprocess.run([sys.executable, f"{HERE}/rows.py", cache, str(largest + 1000), str(DIM), f"{work}/rows.f32"], check=True,
                       stdout=subprocess.DEVNULL)

    def run(kind, n, *more):
        print(f"{kind} {n}", file=sys.stderr, flush=True)
        done = subprocess.run([sys.executable, __file__, kind, work, str(n), *more], check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout)

    sizes = [n for n in (10000, 100000, 1000000) if n <= largest]
    groups = [("Items", ITEMS, [run("items", n) for n in sizes]), ("Users", USERS, [run("users", n, pairs) for n in sizes])]
    for title, kinds, columns in groups:
        table(title, kinds, columns)
    if largest >= MOST_PAIRS:
        once = next(c["pairs"] for c in groups[0][2] if c["rows"] == MOST_PAIRS // 2)
        twice = run("items", MOST_PAIRS)["pairs"]
        print(f"\n50 neighbours of each of {MOST_PAIRS:,} items: {twice:.1f} s, {twice / once:.1f} times the {once:.1f} s of "
              f"{MOST_PAIRS // 2:,} (4 by n²).")
    if len(sys.argv) > 4 and sys.argv[4]:
        chart(sys.argv[4], groups)


main()
