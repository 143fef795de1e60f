"""Every architecture through an engine (RECSYS_ENGINE_PATH) against torchvision or reference_nets.py: same weights, same inputs,
every named layer. Float32: the largest error, relative to the largest value of the layer, is at most 1e-4; bfloat16:
the cosine of each picture's row is at least 0.999. Layers are asked for twice: all of them from one network, and the
ends alone, because the engine fuses what nobody asks for.

    test_numeric.py RUN_LAYERS [ARCHITECTURE...]      PICTURES=2: how many, in one call

Exit status 77 (skipped) without torchvision. Real weights: SHARED_DATA/weights, where that is there.
"""

import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "nn"))
    import reference_nets
    from safetensors_file import read_safetensors, write_safetensors
except ImportError as e:
    print("skipped:", e)
    sys.exit(77)

ENDS = ["avgpool", "maxpool", "flatten", "softmax", "fc2"]
N = int(os.environ.get("PICTURES", "2"))


def run(tool, weights, architecture, precision, raw, layers):
    command = [tool, weights, architecture, precision, raw, str(N)] + layers
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise SystemExit("%s %s: %s" % (architecture, precision, done.stderr.decode()))
    return done.stdout, done.stderr.decode().strip()


def compare(architecture, precision, name, got, want):
    """The failure as text, or None; and the figure."""
    want = want.double().numpy().reshape(N, -1)
    got = got.astype(np.float64)
    if precision == "f32":
        error = np.abs(got - want).max() / np.abs(want).max()
        return error, error <= 1e-4
    cosines = (got * want).sum(1) / np.sqrt((got ** 2).sum(1) * (want ** 2).sum(1))
    return cosines.min(), cosines.min() >= 0.999


def check(tool, architecture, weights, reference, raw):
    listing, _ = run(tool, weights, architecture, "f32", raw, [])
    sizes = dict((line.rsplit(" ", 1)[0], int(line.rsplit(" ", 1)[1])) for line in listing.decode().splitlines())
    missing = [name for name in sizes if name not in reference]
    good = not missing
    if missing:
        print("%s: the reference lacks %s" % (architecture, missing))
    for precision in ("f32", "bf16"):
        for names in (list(sizes), [name for name in ENDS if name in sizes]):
            names = [name for name in names if name in reference]
            out, detail = run(tool, weights, architecture, precision, raw, names)
            values = np.frombuffer(out, "<f4")
            assert len(values) == N * sum(sizes[name] for name in names), "wrong amount of output"
            at, figures = 0, []
            for name in names:
                rows = values[at:at + N * sizes[name]].reshape(N, -1)
                at += N * sizes[name]
                if rows.size != reference[name].numel():
                    print("FAILED %s %s %s: %d floats, expected %d" % (architecture, precision, name, rows.size,
                                                                     reference[name].numel()))
                    good = False
                    continue
                figure, passes = compare(architecture, precision, name, rows, reference[name])
                figures.append(figure)
                if not passes:
                    print("FAILED %s %s %s: %g" % (architecture, precision, name, figure))
                    good = False
            worst = max(figures) if precision == "f32" else min(figures)
            print("%-14s %-4s %3d layers, worst %s  (%s)" % (
                architecture, precision, len(names),
                "error %.2g" % worst if precision == "f32" else "cosine %.7f" % worst, detail),
                flush=True)
    return good


def main():
    tool, chosen = sys.argv[1], sys.argv[2:] or reference_nets.ARCHITECTURES + ["real"]
    good = True
    with tempfile.TemporaryDirectory() as folder:
        raw, weights = os.path.join(folder, "input.raw"), os.path.join(folder, "weights.safetensors")

        def one(architecture, net, path):
            x = torch.rand(reference_nets.input_shape(architecture, N), generator=torch.Generator().manual_seed(1))
            x = x * 4 - 2 if path == weights else x * 255 - 110
            x.permute(0, 2, 3, 1).contiguous().numpy().tofile(raw)
            with torch.no_grad():
                return check(tool, architecture, path, reference_nets.layers(net, architecture, x), raw)

        for architecture in chosen:
            if architecture == "real":
                continue
            net = reference_nets.make(architecture)
            write_safetensors(weights, reference_nets.state(net))
            good &= one(architecture, net, weights)
        if "real" not in chosen:
            return good
        shared = os.environ.get("SHARED_DATA_DIR", "")
        for architecture in ("googlenet", "squeezenet1_1"):
            path = os.path.join(shared, "weights", architecture + ".safetensors")
            if not os.path.exists(path):
                print("skipped: real weights of", architecture, "are not here")
                continue
            net = reference_nets.make(architecture)
            state, own = read_safetensors(path), reference_nets.state(net)
            assert set(state) == set(own), "other tensors than the reference has"
            for name, tensor in own.items():
                tensor.copy_(state[name])
            good &= one(architecture, net, path)
    return good


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
