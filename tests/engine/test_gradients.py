"""Training the last blocks of a network in the torch engine against PyTorch: same weights, same pictures, a few steps
of gradient descent. Losses within 1e-4, every moved tensor within 1e-4 of its movement and size; frozen ones keep their bits.

    test_gradients.py TRAIN_NETWORK

Exit status 77 (skipped) without torchvision."""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import numpy as np
    import torch
    import test_numeric as numeric
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "nn"))
    import reference_nets
except ImportError as e:
    print("skipped:", e)
    sys.exit(77)

N, STEPS = 10, 3
# architecture, layer, blocks, what the names of the moved weights begin with
CASES = [
    ("mini", "grid", 100, ("",)),
    ("mini", "grid", 3, ("narrow", "stage3.0", "down3")),
    ("resnet18", "avgpool", 1, ("layer4.1",)),
    ("squeezenet1_1", "avgpool", 2, ("features.11", "features.12")),
    ("googlenet", "avgpool", 2, ("inception_5a", "inception_5b")),
    ("googlenet_bn", "avgpool", 1, ("inception5b",)),
    ("alexnet", "fc2", 2, ("classifier.1", "classifier.4")),
]


def rows_of(net, architecture, layer, x):
    if architecture in ("mini", "googlenet"):
        seen = {}
        net(x, seen)
        return seen[layer] if layer in seen else seen["inception_5b/output"].mean((2, 3))
    if architecture == "alexnet":
        y = net.avgpool(net.features(x)).flatten(1)
        return net.classifier[:6](y)
    if architecture == "squeezenet1_1":
        return net.features(x).mean((2, 3))
    kept = []
    hook = net.avgpool.register_forward_hook(lambda module, inputs, output: kept.append(output.flatten(1)))
    net(x)
    hook.remove()
    return kept[0]


def is_moved(name, prefixes):
    return name.startswith(prefixes) and "running" not in name and "num_batches" not in name


def check(tool, folder, architecture, layer, blocks, prefixes):
    net = reference_nets.make(architecture)
    if architecture == "googlenet":  # in-place operations of the reference would hide gradients
        for module in net.modules():
            if isinstance(module, torch.nn.ReLU):
                module.inplace = False
    x = torch.rand(reference_nets.input_shape(architecture, N), generator=torch.Generator().manual_seed(1)) * 4 - 2
    weights, raw, out = (os.path.join(folder, name) for name in ("w.safetensors", "x.raw", "out.safetensors"))
    before = {k: v.clone() for k, v in reference_nets.state(net).items()}
    numeric.write_safetensors(weights, before)
    x.permute(0, 2, 3, 1).contiguous().numpy().tofile(raw)
    with torch.no_grad():
        rows = rows_of(net, architecture, layer, x)
    targets = rows + torch.randn(rows.shape, generator=torch.Generator().manual_seed(2)) * rows.std()
    targets.contiguous().numpy().tofile(os.path.join(folder, "t.raw"))
    moved = {k: v for k, v in reference_nets.state(net).items() if is_moved(k, prefixes)}
    parameters = [p for p in net.parameters() if any(p.data_ptr() == v.data_ptr() for v in moved.values())]
    for p in net.parameters():
        p.requires_grad_(False)
    for p in parameters:
        p.requires_grad_(True)

    def loss_now():
        return ((rows_of(net, architecture, layer, x) - targets) ** 2).sum() / N

    # A rate at which a step moves the weights by a thousandth of their length.
    loss_now().backward()
    grads = [p.grad for p in parameters if p.grad is not None]
    rate = 0.001 * sum(p.norm() ** 2 for p in parameters).sqrt().item() / sum(g.norm() ** 2 for g in grads).sqrt().item()
    done = subprocess.run([tool, weights, architecture, layer, str(blocks), raw, str(N), os.path.join(folder, "t.raw"),
                           str(STEPS), str(rate), out], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    ours = numeric.read_safetensors(out)
    losses = [float(line) for line in done.stdout.split()]
    worst = 0
    for step in range(STEPS + 1):
        loss = loss_now()
        worst = max(worst, abs(losses[step] - loss.item()) / loss.item())
        if step == STEPS:
            break
        for p in parameters:
            p.grad = None
        loss.backward()
        with torch.no_grad():
            for p in parameters:
                if p.grad is not None:
                    p -= rate * p.grad
    assert worst <= 1e-4, "%s: losses differ by %g" % (architecture, worst)
    assert losses[1] != losses[0], "%s: nothing has moved: %s" % (architecture, losses)
    figures, count = [], 0
    for name, value in reference_nets.state(net).items():
        if name not in ours:
            continue  # the classifier
        if not is_moved(name, prefixes):
            assert torch.equal(ours[name], before[name]), "%s: %s has moved" % (architecture, name)
            continue
        value, count = value.detach(), count + 1
        figures.append(((ours[name] - value).norm() / value.norm()).item())
        assert figures[-1] <= 1e-4, "%s: %s is %g off" % (architecture, name, figures[-1])
        step = (value - before[name]).norm()
        assert (ours[name] - value).norm() <= 1e-2 * step + 1e-7, "%s: %s moved otherwise" % (architecture, name)
    print("%-14s %d tensors moved, loss %.4g -> %.4g; largest differences: loss %.1e, weights %.1e" % (
        architecture, count, losses[0], losses[-1], worst, max(figures)), flush=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            check(sys.argv[1], folder, *case)


if __name__ == "__main__":
    main()
