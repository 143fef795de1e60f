"""Steps of the head against PyTorch's from the same weights and batches: both optimisers, both losses, unknown labels.

Usage: test_steps.py STEPS_PROGRAM. Exit code 77 where there is no torch."""
import json
import struct
import subprocess
import sys
import tempfile

import numpy as np

try:
    import torch
except ImportError:
    print("skipped: there is no torch for this Python")
    sys.exit(77)


def write(path, tensors):
    header, data = {}, b""
    for name, value in tensors.items():
        value = np.ascontiguousarray(value, dtype="<f4")
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def read(path):
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header, data = json.loads(file.read(size)), file.read()
    kinds = {"F32": "<f4", "F64": "<f8"}
    return {name: np.frombuffer(data[slice(*t["data_offsets"])], kinds[t["dtype"]]).reshape(t["shape"])
            for name, t in header.items() if name != "__metadata__"}


def loss_of(logits, labels, fields, weights):
    """The sum of the header: one mean of binary cross-entropies, one cross-entropy for each exclusive field."""
    total, at, plain = 0, 0, []
    for width in fields:
        columns = range(at, at + abs(width))
        at += abs(width)
        if width > 0:
            plain += columns
            continue
        own = labels[:, columns]
        known = (own == 1).any(1)
        target = torch.where(known, own.argmax(1), torch.full_like(own.argmax(1), -100))
        total = total + torch.nn.functional.cross_entropy(logits[:, columns], target, weight=weights[list(columns)])
    if plain:
        own, mask = labels[:, plain], labels[:, plain] >= 0
        each = torch.nn.functional.binary_cross_entropy_with_logits(
            logits[:, plain], own.clamp(min=0), pos_weight=weights[plain], reduction="none")
        total = total + each[mask].sum() / mask.sum()
    return total


def compare(program, folder, name, fields, optimiser, steps):
    torch.manual_seed(len(name) + steps)
    n, inputs, hidden, batch = 96, 70, 50, 32
    count = sum(abs(f) for f in fields)
    rate, momentum, decay = (0.05, 0.9, 5e-4) if optimiser == "sgd" else (0.002, 0.9, 0.01)
    x = torch.randn(n, inputs)
    labels = (torch.rand(n, count) < 0.3).float()
    at = 0
    for width in fields:
        if width < 0:
            labels[:, at:at - width] = torch.nn.functional.one_hot(torch.randint(-width, (n,)), -width).float()
            labels[::7, at:at - width] = 0  # unknown: no label is present
        else:
            labels[:, at:at + width][torch.rand(n, width) < 0.2] = -1
        at += abs(width)
    weights = torch.rand(count) * 3 + 0.5
    model = torch.nn.Sequential(torch.nn.Linear(inputs, hidden), torch.nn.ReLU(), torch.nn.Dropout(0),
                                torch.nn.Linear(hidden, count))
    state = {"head." + k: v.detach().clone().numpy() for k, v in model.state_dict().items()}
    write(folder + "/in", {"x": x.numpy(), "labels": labels.numpy(), "fields": np.array(fields), "weights": weights.numpy(),
                           "settings": np.array([rate, momentum, decay, batch]), **state})
    subprocess.run([program, folder + "/in", folder + "/out", optimiser, str(steps)], check=True)
    ours = read(folder + "/out")
    make = {"sgd": lambda p: torch.optim.SGD(p, rate, momentum=momentum, weight_decay=decay),
            "adamw": lambda p: torch.optim.AdamW(p, rate, weight_decay=decay)}[optimiser](model.parameters())
    worst = 0
    for step in range(steps):
        some = [(step * batch + k) % n for k in range(batch)]
        make.zero_grad()
        loss = loss_of(model(x[some]), labels[some], fields, weights)
        loss.backward()
        make.step()
        worst = max(worst, abs(ours["losses"][step] - loss.item()) / loss.item())
    assert worst <= 1e-4, (name, "loss", worst)
    for key, value in model.state_dict().items():
        value = value.numpy()
        mine = ours["head." + key].reshape(value.shape)
        far = np.linalg.norm(mine - value) / np.linalg.norm(value)
        assert far <= 1e-4, (name, key, far)
        worst = max(worst, far)
    # The comparison can fail: the weights have moved by more than the tolerance.
    assert np.linalg.norm(ours["head.0.weight"] - state["head.0.weight"]) > 1e-3 * np.linalg.norm(state["head.0.weight"])
    print(f"{name}, {optimiser}, {steps} steps: largest relative difference {worst:.1e}")


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name, fields in (("sigmoid", [6]), ("softmax", [-5]), ("mixed", [-4, 3, -2, 5])):
            for optimiser in ("sgd", "adamw"):
                for steps in (1, 20):
                    compare(sys.argv[1], folder, name, fields, optimiser, steps)


main()
