"""Runs every architecture's operation list, as lib/nn builds it, with torch's functions on torch's random weights, and
compares each layer that has a name with the same layer of torchvision's network or of reference_nets.py. So the lists are
right whatever an engine makes of them.

    compare_networks.py NETWORK_PROGRAM          exit status 77: no torchvision
"""

import subprocess
import sys

try:
    import torch
    import torch.nn.functional as F
    import reference_nets
except ImportError as missing:
    print("skipped: %s" % missing)
    sys.exit(77)


def run_op(kind, inputs, weights, window, lrn, epsilon):
    x = inputs[0]
    weight, bias, mean, variance = weights
    kernel, stride, pad, ceil, count_pad, size = window
    alpha, beta, k = lrn
    return {1: lambda: F.conv2d(x, weight, bias, stride, pad),
            2: lambda: F.batch_norm(x, mean, variance, weight, bias, False, 0, epsilon),
            3: lambda: torch.relu(x), 4: lambda: torch.sigmoid(x), 5: lambda: torch.tanh(x), 6: lambda: x.softmax(1),
            7: lambda: F.max_pool2d(x, kernel, stride, pad, ceil_mode=bool(ceil)),
            8: lambda: F.avg_pool2d(x, kernel, stride, pad, bool(ceil), bool(count_pad)),
            9: lambda: x.mean((2, 3)), 10: lambda: x.amax((2, 3)), 11: lambda: torch.cat(inputs, 1),
            12: lambda: inputs[0] + inputs[1], 13: lambda: F.linear(x, weight, bias), 14: lambda: x,
            15: lambda: F.local_response_norm(x, size, alpha, beta, k), 16: lambda: x.flatten(1)}[kind]()


def run_list(text, state, x):
    """{layer name: result} of a printed operation list."""
    weights, results, named = [], [], {}
    for line in text.splitlines():
        word = line.split()
        if word[0] == "weight":
            weights.append(state[word[1]])
        elif word[0] == "alias":
            named[word[1]] = results[int(word[2])]
        else:
            own = [weights[int(i)] if int(i) >= 0 else None for i in word[3:7]]
            count = int(word[13])
            inputs = [x if int(i) < 0 else results[int(i)] for i in word[18:18 + count]]
            results.append(run_op(int(word[1]), inputs, own, [int(w) for w in word[7:13]],
                                  [float(w) for w in word[14:17]], float(word[17])))
            if word[2] != "-":
                named[word[2]] = results[-1]
    return named


# Names of the library that the reference does not have, each the same as another one.
SAME = {"prob": "softmax", "fc6": "fc1", "fc7": "fc2", "features": "features.14"}


def compare(program, architecture):
    net = reference_nets.make(architecture)
    x = torch.randn(reference_nets.input_shape(architecture, 2))
    classes = "10" if architecture == "lenet5" else "1000"
    text = subprocess.run([program, architecture, classes], check=True, stdout=subprocess.PIPE).stdout.decode()
    reference = reference_nets.layers(net, architecture, x)
    worst, count = 0.0, 0
    with torch.no_grad():
        for name, result in run_list(text, reference_nets.state(net), x).items():
            if name not in reference and architecture == "googlenet" and name.startswith("inception"):
                name += "/output"
            expected = reference[name if name in reference else SAME[name]].reshape(result.shape)
            worst = max(worst, float((result - expected).abs().max() / expected.abs().max()))
            count += 1
    print("%s: %d layers, largest relative difference %.1e" % (architecture, count, worst), flush=True)
    assert worst <= 1e-5 and count >= 10, architecture


if __name__ == "__main__":
    for one in reference_nets.ARCHITECTURES:
        compare(sys.argv[1], one)
