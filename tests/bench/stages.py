"""Stage two against stage one: product photographs, GoogLeNet, pictures split 60:20:20 (byte-equal ones in one part).
Both learn from the first part and stop by the second; the loss (cross-entropy) and macro-F1 are those on the third, which
neither has seen. Prints a table.

    stages.py RECSYS DATA [FIELD...]     SPLITS=3; STAGE_MODEL=FILE instead of GoogLeNet; STAGE_OPTIONS adds options to
                                         both stages; needs NumPy and the Python package
"""
import csv
import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bindings/python"))
import recsys as binding  # noqa: E402


def split(lines, images, seed):
    """0, 1 or 2 for each picture."""
    digests = []
    for line in lines:
        with open(f"{images}/{line['id']}.jpg", "rb") as file:
            digests.append(hashlib.sha256(file.read()).hexdigest())
    rng = np.random.default_rng(seed)
    part = {digest: rng.choice(3, p=(0.6, 0.2, 0.2)) for digest in sorted(set(digests))}
    return [part[digest] for digest in digests]


def measure(path, images, lines, field):
    with binding.Model(path, precision="float32") as model:
        names = model.class_names
        known = [line for line in lines if line[field] in names]
        scores = model.classify([f"{images}/{line['id']}.jpg" for line in known])
    truth = np.array([names.index(line[field]) for line in known])
    told = scores.argmax(1)
    f1 = []
    for label in np.unique(truth):
        hits = ((told == label) & (truth == label)).sum()
        f1.append(2 * hits / ((told == label).sum() + (truth == label).sum()))
    return -np.log(np.maximum(scores[np.arange(len(truth)), truth], 1e-12)).mean(), np.mean(f1)


def main():
    recsys, data = sys.argv[1:3]
    images = data + "/fashion/images"
    model = os.environ.get("STAGE_MODEL", data + "/weights/googlenet.safetensors")
    with open(data + "/fashion/styles.csv", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if os.path.exists(f"{images}/{line['id']}.jpg")]
    print("| field | split | loss, stage one | stage two | macro-F1, stage one | stage two |\n| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        cache = os.environ.get("HEADS_CACHE", folder + "/cache")
        for field in sys.argv[3:] or ["articleType", "gender"]:
            for seed in range(int(os.environ.get("SPLITS", "3"))):
                parts = split(lines, images, seed)
                with open(folder + "/labels.csv", "w", encoding="utf-8", newline="") as file:
                    csv.writer(file).writerows([["id", field, "part"]] + [[l["id"], l[field], p if p < 2 else ""] for l, p in zip(lines, parts)])
                found = []
                for more in ([], ["--fine-tune", "2", "--fine-tune-epochs", "5"]):
                    done = subprocess.run([recsys, "train", "--images", images, "--labels", folder + "/labels.csv", "--fields", field,
                                           "--part-column", "part", "--model", model, "--out", folder + "/m", "--cache", cache, "--min-pictures", "10",
                                           "--precision", "float32", "--progress", "none", "--json", "--restart", *more,
                                           *shlex.split(os.environ.get("STAGE_OPTIONS", ""))], capture_output=True, check=False)
                    assert done.returncode == 0, done.stderr.decode()
                    json.loads(done.stdout)
                    found.append(measure(folder + "/m", images, [l for l, p in zip(lines, parts) if p == 2], field))
                print("| %s | %d | %.4f | %.4f | %.3f | %.3f |" % (field, seed, found[0][0], found[1][0], found[0][1], found[1][1]), flush=True)


main()
