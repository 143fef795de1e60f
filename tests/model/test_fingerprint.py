"""A fingerprint as docs/formats-model.md defines it, computed from the saved file by hashlib, against the library's.

    test_fingerprint.py FINGERPRINT_PROGRAM
"""

import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile


def text(value):
    data = value.encode()
    return b"%d:" % len(data) + data


def fingerprint(path):
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
        data = file.read()
    about = header.pop("__metadata__")
    sha = hashlib.sha256(text("recsys fingerprint 1"))
    for key in ("architecture", "layer", "recipe"):
        sha.update(text(about["recsys." + key]))
    for name in sorted(header, key=lambda n: n.encode()):
        entry = header[name]
        assert entry["dtype"] == "F32"
        sha.update(text(name))
        for size in entry["shape"]:
            sha.update(text(str(size)))
        begin, end = entry["data_offsets"]
        sha.update(data[begin:end])
    return sha.hexdigest()


with tempfile.TemporaryDirectory() as folder:
    for architecture in ("lenet5", "googlenet_bn"):  # without and with batch norms, which folding changes
        path = os.path.join(folder, architecture)
        told = subprocess.run([sys.argv[1], path, architecture], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
        assert told == fingerprint(path), (architecture, told, fingerprint(path))
        print("ok", architecture, told)
