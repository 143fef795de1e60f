"""Rows with the statistics of real embeddings, as many as are wanted: each is a picture's row moved by a share of the
difference of two of its nearest neighbours' rows, negative values cut off as ReLU does, in float32.

    rows.py CACHE ROWS DIM FILE [SEED]     CACHE: the folder of `recsys train --cache` (docs/formats-model.md); the
                                           first DIM columns of a fixed shuffle. Prints how alike the rows are.
"""
import glob
import json
import struct
import sys

import numpy as np


def read_cache(folder):
    rows = []
    for path in sorted(glob.glob(folder + "/*.safetensors")):
        with open(path, "rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
            data = file.read()
        entry = header["features"]
        rows.append(np.frombuffer(data[slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"]))
    return np.concatenate([r for r in rows if r.shape[1] == rows[0].shape[1]])


def main():
    cache, n, dim, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    rng = np.random.default_rng(int(sys.argv[5]) if len(sys.argv) > 5 else 1)
    real = np.unique(read_cache(cache), axis=0)
    real = real[:, np.random.default_rng(0).permutation(real.shape[1])[:dim]]
    unit = real / np.maximum(np.linalg.norm(real, axis=1, keepdims=True), 1e-12)
    near = np.argsort(-(unit @ unit.T), axis=1)[:, 1:21]
    with open(path, "wb") as file:
        for first in range(0, n, 10000):
            m = min(10000, n - first)
            base = rng.integers(len(real), size=m)
            a, b = near[base, rng.integers(20, size=m)], near[base, rng.integers(20, size=m)]
            noise = real.std(0) * rng.standard_normal((m, dim)) * 0.3
            rows = np.maximum(real[base] + rng.uniform(0.2, 0.8, (m, 1)) * (real[a] - real[b]) + noise, 0)
            rows[rows.sum(1) == 0, 0] = 1
            file.write(rows.astype("<f4").tobytes())
    unit_new = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for name, u in (("real", unit), ("made", unit_new[: len(unit)])):
        s = u @ u.T
        np.fill_diagonal(s, np.nan)
        s = np.sort(s, axis=1)[:, :-1]
        print(f"{name}: cosine of two rows {s.mean():.3f}, of the 10 nearest {s[:, -10:].mean():.3f}")


main()
