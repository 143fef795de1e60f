"""Real pictures through real weights: files to rows by the library, and by Pillow, NumPy and the independent networks of
tests/nn/reference_nets.py. Every row's cosine must be at least 0.9999: the rest is one grey level here and there from
resampling and JPEG decoding.

    test_end_to_end.py EMBED_FILES SHARED_DATA

Exit status 77 (skipped) without the data, Pillow or torchvision.
"""

import glob
import os
import subprocess
import sys

try:
    import numpy as np
    import torch
    from PIL import Image
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "nn"))
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "engine"))
    import reference_nets
    from test_numeric import read_safetensors
except ImportError as e:
    print("skipped:", e)
    sys.exit(77)

tool, shared = sys.argv[1:]
files = sorted(glob.glob(shared + "/posters/*.jpg"))[::400] + sorted(glob.glob(shared + "/fashion/images/*.jpg"))[::300]
if len(files) < 10:
    print("skipped: no pictures in", shared)
    sys.exit(77)


def prepare(path, side):
    """The recipe "caffe": 256 x 256 bilinear, centre crop, BGR minus the mean."""
    picture = np.asarray(Image.open(path).convert("RGB").resize((256, 256), Image.BILINEAR), np.float32)
    start = round((256 - side) / 2)
    crop = picture[start:start + side, start:start + side, ::-1] - np.array([104, 117, 123], np.float32)
    return torch.from_numpy(crop.transpose(2, 0, 1).copy())


good = True
for architecture in ("googlenet", "squeezenet1_1"):
    path = os.path.join(shared, "weights", architecture + ".safetensors")
    net = reference_nets.make(architecture)
    state = read_safetensors(path)
    for name, tensor in reference_nets.state(net).items():
        tensor.copy_(state[name])
    side = reference_nets.input_shape(architecture)[2]
    x = torch.stack([prepare(f, side) for f in files])
    want = reference_nets.layers(net, architecture, x)["avgpool"].double().numpy()
    out = subprocess.run([tool, path] + files, stdout=subprocess.PIPE, check=True).stdout
    got = np.frombuffer(out, "<f4").reshape(len(files), -1).astype(np.float64)
    cosines = (got * want).sum(1) / np.sqrt((got ** 2).sum(1) * (want ** 2).sum(1))
    print(architecture, len(files), "pictures, smallest cosine %.7f" % cosines.min())
    good &= cosines.min() >= 0.9999
sys.exit(0 if good else 1)
