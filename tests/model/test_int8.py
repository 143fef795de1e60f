"""An int8 model against the same arithmetic in NumPy: codes, units and ranges are read from the file as
docs/formats-model.md defines them, and the mini network is worked through in float64, rounding where it says so.

    test_int8.py INT8_FILES_PROGRAM MODEL     MODEL: a mini network that has been trained
"""

import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np

N, SIDE, CROP = 24, 110, 96
# A number that lies just between two integers may go either way in float32, and moves others over their edges: so much
# of int8's own error may differ. (Of the first layer almost nothing; wrong units would be far off everywhere.)
LAYERS = {"stem": 0.02, "stage1.0": 0.05, "grid": 0.2}


def read(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    about = header.pop("__metadata__")
    kinds = {"F32": np.float32, "I8": np.int8}
    return about, {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], kinds[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
    }


def draw(random):
    """Smooth colours with an edge and some noise."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    pictures = []
    for _ in range(N):
        waves = [np.sin(a * x + b * y + c) for a, b, c in random.uniform(-9, 9, (3, 3))]
        picture = 128 + 80 * np.stack(waves, 2) + random.normal(0, 12, (SIDE, SIDE, 3))
        picture[x > random.uniform(0.2, 0.9)] *= random.uniform(0.2, 1)
        pictures.append(np.clip(picture, 0, 255).astype(np.uint8))
    return np.stack(pictures)


def convolve(x, weight, bias, stride, padding):
    """x: N x C x H x W; products and sums in float64."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,ocij->nohw", windows, weight.astype(np.float64), optimize=True) + bias.reshape(1, -1, 1, 1)


class Mini:
    """The network's layers over values that are integers times a unit, or floats with unit None."""

    def __init__(self, path):
        self.about, self.tensors = read(path)
        self.ranges = json.loads(self.about.get("recsys.quantization", '{"layers": {}}'))["layers"]

    def codes(self, x, largest):
        """To unsigned bytes: every activation here is the result of a ReLU."""
        return np.clip(np.rint(x / (largest / 255)), 0, 255) * (largest / 255)

    def weight(self, name):
        weight = self.tensors[name + ".weight"]
        if weight.dtype == np.int8:
            unit = self.tensors[name + ".weight.unit"]
            assert unit.shape == (len(weight),) and np.abs(weight.astype(int)).max() == 127
            return weight * unit.astype(np.float64).reshape(-1, 1, 1, 1)
        return weight

    def layer(self, x, name, stride=1, padding=0, add=0.0):
        """The result in floats; readers round it."""
        return np.maximum(convolve(x, self.weight(name), self.tensors[name + ".bias"], stride, padding) + add, 0)

    def rounded(self, y, name):
        return self.codes(y, self.unit_of(name)) if name + ".weight" in self.ranges else y

    def stem(self, x):
        x = self.layer(x, "stem.0", 2, 1)
        limits = self.ranges.get("stem.1.weight")
        return self.layer(x if limits is None else self.codes(x, limits[0]), "stem.1", 2, 1)

    def block(self, x, name):
        y = self.rounded(self.layer(x, name + ".reduce"), name + ".reduce")
        return self.layer(y, name + ".expand", 1, 1, add=x)

    def run(self, x):
        """Of each of LAYERS."""
        stem = self.stem(x)
        first = self.block(self.rounded(stem, "stem.1"), "stage1.0")
        x = self.layer(self.rounded(first, "stage1.0.expand"), "down2", 2, 1)
        x = self.block(self.rounded(x, "down2"), "stage2.0")
        x = self.block(self.rounded(x, "stage2.0.expand"), "stage2.1")
        x = self.layer(self.rounded(x, "stage2.1.expand"), "down3", 2, 1)
        x = self.block(self.rounded(x, "down3"), "stage3.0")
        x = self.layer(self.rounded(x, "stage3.0.expand"), "narrow")
        n, c, h, w = x.shape
        grid = x.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))
        return [y.reshape(n, -1) for y in (stem, first, grid)]

    def unit_of(self, name):
        """A result's largest value: what it was observed to be as a result, and by the layers that read it."""
        readers = {
            "stem.1": ["stage1.0.reduce"], "stage1.0.reduce": ["stage1.0.expand"], "stage1.0.expand": ["down2"],
            "down2": ["stage2.0.reduce"], "stage2.0.reduce": ["stage2.0.expand"],
            "stage2.0.expand": ["stage2.1.reduce"], "stage2.1.reduce": ["stage2.1.expand"],
            "stage2.1.expand": ["down3"], "down3": ["stage3.0.reduce"], "stage3.0.reduce": ["stage3.0.expand"],
            "stage3.0.expand": ["narrow"],
        }
        return max([self.ranges[name + ".weight"][1]] + [self.ranges[r + ".weight"][0] for r in readers[name]])


def fingerprint(net, layer):
    """As docs/formats-model.md has it."""

    def text(value):
        return b"%d:" % len(value.encode()) + value.encode()

    parts = [text("recsys fingerprint 1"), text(net.about["recsys.architecture"]), text(layer), text(net.about["recsys.recipe"])]
    parts += [text("int8"), text(str(len(net.ranges)))]
    for name in sorted(net.ranges):
        parts += [text(name), struct.pack("<2f", *net.ranges[name])]
    for name in sorted(n for n in net.tensors if not n.endswith(".unit")):
        values = net.tensors[name]
        if values.dtype == np.int8:
            unit = net.tensors[name + ".unit"].reshape(-1, *[1] * (values.ndim - 1))
            values = values.astype(np.float32) * unit
        parts += [text(name), *(text(str(size)) for size in values.shape), values.astype("<f4").tobytes()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def rms(x):
    return float(np.sqrt(np.mean(np.square(x))))


with tempfile.TemporaryDirectory() as folder:
    pixels = draw(np.random.default_rng(5))
    raw, plain, narrow, rows = (os.path.join(folder, name) for name in ("raw", "plain", "int8", "rows"))
    pixels.tofile(raw)
    done = subprocess.run([sys.argv[1], sys.argv[2], raw, str(N), plain, narrow, rows, *LAYERS], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    edge = (SIDE - CROP) // 2
    crop = pixels[:, edge : edge + CROP, edge : edge + CROP].transpose(0, 3, 1, 2)
    inputs = (crop.astype(np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(0.25)
    codes = Mini(narrow)
    assert codes.about["recsys.format"] == "4" and "stem.0.weight" not in codes.ranges, codes.about
    told = done.stdout.decode().split()
    assert told == [fingerprint(codes, layer) for layer in LAYERS], told
    assert len(codes.ranges) == 12, sorted(codes.ranges)
    floats, expected, found = Mini(plain).run(inputs), codes.run(inputs), np.fromfile(rows, np.float32)
    for k, (layer, most) in enumerate(LAYERS.items()):
        row, found = found[: expected[k].size].reshape(N, -1), found[expected[k].size :]
        off, loss = rms(row - expected[k]), rms(row - floats[k])
        print(f"{layer}: from NumPy's int8 {off:.2e}, from floats {loss:.2e}, of {rms(floats[k]):.2e}")
        assert 0 < loss < 0.05 * rms(floats[k]), loss
        assert off < most * loss, (off, loss)
    assert not found.size
