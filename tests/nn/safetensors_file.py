"""Safetensors files of float32 tensors, read and written with nothing but NumPy and torch's arrays."""
import json
import struct

import numpy as np
import torch


def write_safetensors(path, state):
    header, blobs, at = {}, [], 0
    for name, tensor in state.items():
        if tensor.dtype != torch.float32:
            continue
        blob = tensor.contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for blob in blobs:
            file.write(blob)


def read_safetensors(path):
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    return {name: torch.from_numpy(np.frombuffer(data[e["data_offsets"][0]:e["data_offsets"][1]], "<f4")
                                   .reshape(e["shape"]).copy()) for name, e in header.items()}
