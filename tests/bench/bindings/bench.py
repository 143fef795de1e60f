"""bench.py STORE MODEL FOLDER: what bindings.c measures, from Python; both kinds of isolation."""
import os
import sys
import time

import numpy as np

import recsys

CALLS, ROUNDS, K, PICTURES = 20000, 5, 10, 1000


def main():
    path, file, folder = sys.argv[1:4]
    store = recsys.Store(path)
    ranker, user = recsys.Ranker(store, "popular").fit(), store.list(kind="user")[:1]
    best = 1.0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(CALLS):
            ranker.recommend(user, K)
        best = min(best, (time.perf_counter() - start) / CALLS)
    print(f"recommend {1e9 * best:.0f}")
    files = [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name[0] != "."][:PICTURES]
    for isolation in ("none", "process"):
        with recsys.Model(file, precision="float32", isolation=isolation) as model:
            out, rate = np.empty((len(files), model.dim), np.float32), 0.0
            for _ in range(ROUNDS):
                start = time.perf_counter()
                model.embed(files, out=out)
                rate = max(rate, len(files) / (time.perf_counter() - start))
        print(f"embed{'' if isolation == 'none' else '-isolated'} {rate:.1f}")


main()
