"""Keras' .h5 files, written here as Keras writes them: with and without top, the names of today and of the first
releases, one model in the file or weights alone. Exit status 77 (skipped) without h5py."""
import json
import os
import struct
import sys
import unittest

try:
    import h5py
    import numpy as np
except ImportError:
    print("skipped: there is no h5py for this Python")
    sys.exit(77)

from harness import Case

RANDOM = np.random.default_rng(3)


def some(*shape):
    return RANDOM.random(shape, dtype=np.float32) - 0.5


def read_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    return {name: np.frombuffer(data[slice(*t["data_offsets"])], "<f4").reshape(t["shape"])
            for name, t in header.items()}, metadata


def write_keras(path, layers, whole_model=False, variable=False):
    """layers: name -> list of (weight's name, array)."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole_model else file
        strings = h5py.special_dtype(vlen=str) if variable else None
        names = [n if variable else n.encode() for n in layers]
        root.attrs.create("layer_names", names, dtype=strings)
        root.attrs["backend"] = b"tensorflow"
        root.attrs["keras_version"] = b"2.3.1"
        for layer, weights in layers.items():
            group = root.create_group(layer)
            names = [n if variable else n.encode() for n, _ in weights]
            if names:
                group.attrs.create("weight_names", names, dtype=strings)
            else:
                group.attrs.create("weight_names", np.zeros(0))
            for name, value in weights:
                group.create_dataset(name, data=value)


def conv(name, inputs, outputs, side=3):
    return [(f"{name}/kernel:0", some(side, side, inputs, outputs)), (f"{name}/bias:0", some(outputs))]


def vgg(per_block, channels, dense, top=True, old=False):
    layers, inputs = {"input_1": []}, 3
    for block, (count, outputs) in enumerate(zip(per_block, channels), 1):
        for i in range(1, count + 1):
            name = f"block{block}_conv{i}"
            layers[name] = conv(name, inputs, outputs)
            if old:
                layers[name] = [(f"{name}_W_1:0", layers[name][0][1]), (f"{name}_b_1:0", layers[name][1][1])]
            inputs = outputs
        layers[f"block{block}_pool"] = []
    sizes = [("fc1", 49 * inputs, dense), ("fc2", dense, dense), ("predictions", dense, 10)]
    for name, rows, columns in sizes if top else []:
        layers[name] = [(f"{name}/kernel:0", some(rows, columns)), (f"{name}/bias:0", some(columns))]
    return layers


def norm(name, n):
    return [(f"{name}/{part}:0", some(n) + (1 if part == "moving_variance" else 0))
            for part in ("gamma", "beta", "moving_mean", "moving_variance")]


def resnet(width, top=True, old=False):
    names = {}
    first = ("conv1", "bn_conv1") if old else ("conv1_conv", "conv1_bn")
    layers = {first[0]: conv(first[0], 3, width, 7), first[1]: norm(first[1], width)}
    names["conv1", "bn1"] = first
    inputs = width
    for stage, count in enumerate((3, 4, 6, 3)):
        inner, outer = width << stage, 4 * width << stage
        for block in range(count):
            parts = [(1, inputs, inner, 1), (2, inner, inner, 3), (3, inner, outer, 1)]
            if block == 0:
                parts.insert(0, (0, inputs, outer, 1))
            for part, rows, columns, side in parts:
                if old:
                    place = f"{stage + 2}{'abcdef'[block]}_branch{'2' + 'abc'[part - 1] if part else '1'}"
                    pair = ("res" + place, "bn" + place)
                else:
                    place = f"conv{stage + 2}_block{block + 1}_{part}"
                    pair = (place + "_conv", place + "_bn")
                ours = f"layer{stage + 1}.{block}."
                names[(ours + f"conv{part}", ours + f"bn{part}") if part else
                      (ours + "downsample.0", ours + "downsample.1")] = pair
                layers[pair[0]], layers[pair[1]] = conv(pair[0], rows, columns, side), norm(pair[1], columns)
            inputs = outer
    if top:
        name = "fc1000" if old else "predictions"
        layers[name] = [(f"{name}/kernel:0", some(inputs, 10)), (f"{name}/bias:0", some(10))]
        names["fc"] = (name,)
    return layers, names


class Keras(Case):
    def convert(self, layers, **how):
        write_keras(self.path("k.h5"), layers, **how)
        self.run_it("convert", self.path("k.h5"), self.path("k.safetensors"))
        return read_safetensors(self.path("k.safetensors"))

    def check_conv(self, tensors, name, weights):
        np.testing.assert_array_equal(tensors[name + ".weight"], weights[0][1].transpose(3, 2, 0, 1))
        np.testing.assert_array_equal(tensors[name + ".bias"], weights[1][1])

    def test_vgg(self):
        for arch, blocks, places in (("vgg16", (2, 2, 3, 3, 3), (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)),
                                     ("vgg19", (2, 2, 4, 4, 4), (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34))):
            for how in ({}, {"whole_model": True}, {"variable": True}):
                layers = vgg(blocks, (2, 3, 4, 4, 5), 6, old="variable" in how)
                tensors, metadata = self.convert(layers, **how)
                self.assertEqual((metadata["recsys.architecture"], metadata["recsys.recipe"]), (arch, "keras"))
                convs = [name for name in layers if "_conv" in name]
                self.assertEqual(len(convs), len(places))
                for name, place in zip(convs, places):
                    self.check_conv(tensors, f"features.{place}", layers[name])
                # fc1 takes a picture that Keras flattens as 7 x 7 x 5 and torchvision as 5 x 7 x 7.
                picture = some(7, 7, 5)
                kernel, bias = layers["fc1"][0][1], layers["fc1"][1][1]
                np.testing.assert_allclose(tensors["classifier.0.weight"] @ picture.transpose(2, 0, 1).ravel(),
                                           picture.ravel() @ kernel, rtol=1e-4, atol=1e-5)
                np.testing.assert_array_equal(tensors["classifier.0.bias"], bias)
                np.testing.assert_array_equal(tensors["classifier.6.weight"], layers["predictions"][0][1].T)
                self.assertEqual(len(tensors), 2 * len(convs) + 6)

    def test_resnet(self):
        for old in (False, True):
            layers, names = resnet(2, old=old)
            tensors, metadata = self.convert(layers)
            self.assertEqual(metadata["recsys.architecture"], "resnet50_v1")
            for ours, keras in names.items():
                if ours == "fc":
                    np.testing.assert_array_equal(tensors["fc.weight"], layers[keras[0]][0][1].T)
                    continue
                kernel, bias = (value for _, value in layers[keras[0]])
                gamma, beta, mean, variance = (value.astype("d") for _, value in layers[keras[1]])
                np.testing.assert_array_equal(tensors[ours[0] + ".weight"], kernel.transpose(3, 2, 0, 1))
                # Keras: epsilon 1.001e-5 and a bias before the norm; here: 1e-5 and none.
                z = some(len(mean)).astype("d")
                expected = (z + bias - mean) / np.sqrt(variance + 1.001e-5) * gamma + beta
                found = ((z - tensors[ours[1] + ".running_mean"]) / np.sqrt(tensors[ours[1] + ".running_var"].astype("d") + 1e-5)
                         * tensors[ours[1] + ".weight"] + tensors[ours[1] + ".bias"])
                np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
            self.assertEqual(len(tensors), 53 * 5 + 2)

    def test_without_top(self):
        self.convert(vgg((2, 2, 3, 3, 3), (64, 128, 256, 512, 512), 0, top=False))
        info = self.json("info", "--model", self.path("k.safetensors"))
        self.assertEqual((info["architecture"], info["layer"], info["dim"], info["classes"]), ("vgg16", "avgpool", 512, 0))
        self.assertNotIn("fc1", [layer["name"] for layer in info["layers"]])
        self.convert(resnet(64, top=False)[0])
        info = self.json("info", "--model", self.path("k.safetensors"))
        self.assertEqual((info["architecture"], info["dim"], info["classes"]), ("resnet50_v1", 2048, 0))

    def test_what_cannot_be_converted(self):
        self.write("text.h5", b"\x89HDF\r\n\x1a\n" + b"no such file" * 50)
        self.assertIn("no undamaged HDF5 file", self.run_it("convert", self.path("text.h5"), self.path("x"), code=1)[1])
        with h5py.File(self.path("other.h5"), "w") as file:
            file["numbers"] = some(5)
        self.run_it("convert", self.path("other.h5"), self.path("x"), code=1)
        layers = vgg((2, 2, 3, 3, 3), (2, 3, 4, 4, 5), 6)
        del layers["block3_conv2"]
        write_keras(self.path("gap.h5"), layers)
        self.assertIn("block3_conv2", self.run_it("convert", self.path("gap.h5"), self.path("x"), code=1)[1])
        layers = vgg((2, 2, 3, 3, 3), (2, 3, 4, 4, 5), 6)
        layers["block1_conv2"] = [("k", some(3, 3)), ("b", some(3))]
        write_keras(self.path("shape.h5"), layers)
        self.assertIn("another shape", self.run_it("convert", self.path("shape.h5"), self.path("x"), code=1)[1])
        with open(self.path("gap.h5"), "rb") as file:
            whole = file.read()
        for size in (10, 100, 2000, len(whole) // 2, len(whole) - 100):
            self.write("cut.h5", whole[:size])
            self.run_it("convert", self.path("cut.h5"), self.path("x"), code=1)
        self.assertFalse(os.path.exists(self.path("x")))


if __name__ == "__main__":
    unittest.main()
