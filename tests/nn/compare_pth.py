"""Converts real state dictionaries of torchvision, saved in both layouts, and compares every tensor.

    compare_pth.py CONVERT_PROGRAM          exit status 77: torch or torchvision is not installed
"""

import json
import os
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    import torchvision
except ImportError as missing:
    print("skipped: %s" % missing)
    sys.exit(77)


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    types = {"F32": "<f4", "I64": "<i8"}
    return {name: np.frombuffer(data[8 + length:], types[entry["dtype"]], offset=entry["data_offsets"][0],
                                count=int(np.prod(entry["shape"]))).reshape(entry["shape"])
            for name, entry in header.items()}


def main():
    for name in ("squeezenet1_1", "resnet18"):
        state = getattr(torchvision.models, name)(weights=None).state_dict()
        for zipped in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                pth, out = os.path.join(folder, "in.pth"), os.path.join(folder, "out.safetensors")
                torch.save(state, pth, _use_new_zipfile_serialization=zipped)
                subprocess.run([sys.argv[1], pth, out, "--architecture", name], check=True)
                found = read(out)
            assert sorted(found) == sorted(state), "names differ"
            for key, value in state.items():
                assert np.array_equal(found[key], value.numpy()), key
            print("%s, zip %s: %d tensors are equal" % (name, zipped, len(found)))


if __name__ == "__main__":
    main()
