"""Heads against logistic regression: product photographs, features of GoogLeNet, five stratified folds with byte-equal
pictures in one fold. Both learn from four fifths (the head stops by a fifth of these; HEAD_OPTIONS adds options to
recsys train, HEADS_CACHE keeps the features; C of the regression, on standardised features, is chosen by three inner folds) and are measured on the
rest: macro-F1 over the labels that occur there. HEADS_ONLY=1 leaves the regression out; SPLIT=N draws other folds.

    heads.py RECSYS DATA [FIELD...]        needs NumPy and scikit-learn; DATA as in docs/results.md
"""
import csv
import glob
import hashlib
import json
import os
import shlex
import struct
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.simplefilter("ignore", ConvergenceWarning)
warnings.simplefilter("ignore", UserWarning)


def digest(path):
    """A picture's key in the feature cache: docs/formats-model.md."""
    with open(path, "rb") as file:
        return hashlib.sha256(struct.pack("<8I", *[0] * 8) + file.read()).digest()


def read_cache(folder):
    rows = {}
    for path in glob.glob(folder + "/*.safetensors"):
        with open(path, "rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
            data = file.read()
        features = np.frombuffer(data[slice(*header["features"]["data_offsets"])], "<f4").reshape(header["features"]["shape"])
        digests = np.frombuffer(data[slice(*header["digests"]["data_offsets"])], "u1").reshape(-1, 32)
        rows.update((d.tobytes(), f) for d, f in zip(digests, features))
    return rows


def main():
    recsys, data = sys.argv[1:3]
    options = shlex.split(os.environ.get("HEAD_OPTIONS", ""))
    fields = sys.argv[3:] or ["articleType", "masterCategory", "gender"]
    images, model = data + "/fashion/images", data + "/weights/googlenet.safetensors"
    with open(data + "/fashion/styles.csv", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if os.path.exists(f"{images}/{line['id']}.jpg")]
    keys = [digest(f"{images}/{line['id']}.jpg") for line in lines]
    with tempfile.TemporaryDirectory() as folder:
        cache = os.environ.get("HEADS_CACHE", folder + "/cache")

        def run(*words):
            done = subprocess.run([recsys, *words, "--precision", "float32", "--progress", "none", "--json"],
                                  capture_output=True, check=False)
            assert done.returncode == 0, done.stderr.decode()
            return json.loads(done.stdout)

        for field in fields:
            y = np.array([line[field] for line in lines])
            names, counts = np.unique(y, return_counts=True)
            keep = np.isin(y, names[counts >= 10])
            groups = np.array([int.from_bytes(key[:7], 'little') for key in keys])
            heads, regressions = [], []
            with open(folder + "/all.csv", "w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([["id", field]] + [[l["id"], l[field]] for l, k in zip(lines, keep) if k])
            run("train", "--images", images, "--labels", folder + "/all.csv", "--fields", field, "--model", model, "--out",
                folder + "/m", "--cache", cache, "--epochs", "1")  # all features into the cache
            for fold, (rest, test) in enumerate(StratifiedGroupKFold(5, shuffle=True, random_state=int(os.environ.get("SPLIT", "1"))).split(
                    np.zeros(keep.sum()), y[keep], groups[keep])):
                kept = [line for line, k in zip(lines, keep) if k]
                for name, part in (("train", rest), ("test", test)):
                    with open(f"{folder}/{name}.csv", "w", encoding="utf-8", newline="") as file:
                        out = csv.writer(file)
                        out.writerow(["id", field])
                        out.writerows((kept[i]["id"], kept[i][field]) for i in part)
                run("train", "--images", images, "--labels", folder + "/train.csv", "--fields", field, "--model", model,
                    "--out", folder + "/m", "--cache", cache, "--min-pictures", "1", *options)
                heads.append(run("evaluate-model", "--images", images, "--labels", folder + "/test.csv", "--model",
                                 folder + "/m")["macro"]["f1"])
                if os.environ.get("HEADS_ONLY"):
                    regressions.append(np.nan)
                    continue
                rows = read_cache(cache)
                x = np.stack([rows[key] for key, k in zip(keys, keep) if k])
                search = GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
                                      {"logisticregression__C": [0.001, 0.01, 0.1]}, cv=3, scoring="f1_macro")
                search.fit(x[rest], y[keep][rest])
                predicted = search.predict(x[test])
                regressions.append(f1_score(y[keep][test], predicted, average="macro", labels=np.unique(y[keep][test]),
                                            zero_division=0))
            for name, values in (("head", heads), ("logistic regression", regressions)):
                print(f"{field}, {len(np.unique(y[keep]))} labels, {keep.sum()} pictures: {name} macro-F1 {np.mean(values):.4f} "
                      f"+- {np.std(values, ddof=1) / np.sqrt(5):.4f}", flush=True)
            difference = np.array(heads) - regressions
            print(f"{field}: difference {difference.mean():+.4f} +- {difference.std(ddof=1) / np.sqrt(5):.4f}", flush=True)


main()
