#!/usr/bin/python3
"""Decoding, and decoding + resizing + cropping, on one processor: librecsys beside Pillow, alternating in one run.
Usage: decode_pillow.py BENCH_DECODE FOLDER [PAIRS]"""
import io
import os
import re
import statistics
import subprocess
import sys
import time

from PIL import Image, features

NAMES = ("decode", "decode + resize 256 + crop")


def load(folder):
    pictures = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            data = file.read()
        if data[:3] == b"\xff\xd8\xff" or data[:4] == b"\x89PNG":
            pictures.append(data)
    return pictures


def pillow(pictures, resize):
    start = time.perf_counter()
    for data in pictures:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        if resize:
            w, h = image.size
            w, h = (256, 256 * h // w) if w < h else (256 * w // h, 256)
            image = image.resize((w, h), Image.BILINEAR)
            left, top = (w - 224) // 2, (h - 224) // 2
            image.crop((left, top, left + 224, top + 224)).load()
    return len(pictures) / (time.perf_counter() - start)


def ours(command, folder):
    text = subprocess.run([command, folder, "1"], check=True, capture_output=True, text=True).stdout
    return [float(value) for value in re.findall(r"([\d.]+) images/s", text)]


def main(command, folder, pairs=7):
    pictures = load(folder)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rates = {name: ([], []) for name in NAMES}
    for _ in range(int(pairs)):
        mine = ours(command, folder)
        for i, name in enumerate(NAMES):
            rates[name][0].append(mine[i])
            rates[name][1].append(pillow(pictures, i == 1))
    print("%d pictures; Pillow %s with libjpeg-turbo %s; images/s on one processor, medians of %s alternating pairs"
          % (len(pictures), Image.__version__, features.version("libjpeg_turbo"), pairs))
    print("%-28s %10s %10s %8s" % ("", "librecsys", "Pillow", "ratio"))
    for name, (mine, theirs) in rates.items():
        ratio = statistics.median(a / b for a, b in zip(mine, theirs))
        print("%-28s %10.0f %10.0f %7.2fx" % (name, statistics.median(mine), statistics.median(theirs), ratio))


if __name__ == "__main__":
    main(*sys.argv[1:4])
