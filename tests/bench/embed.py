"""The peer of embed.c: eager PyTorch in channels-last with batch norm folded, batch 8.

    embed.py ARCHITECTURE f32|bf16 THREADS

Says "ready", then for each line N on standard input runs N pictures and answers with the seconds. The output is what
the library's usual layer is: fc2 of a VGG, the pooled features of a ResNet.
"""

import sys
import time

import torch
import torchvision
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

BATCH = 8


def fold(net):
    """Each batch norm into the convolution before it, for the modules of torchvision's VGG and ResNet."""
    for module in net.modules():
        names = [name for name, _ in module.named_children()]
        for name in names:
            conv = getattr(module, name)
            after = names[names.index(name) + 1] if name.isdigit() and names.index(name) + 1 < len(names) else \
                name.replace("conv", "bn")
            norm = getattr(module, after, None)
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(conv, norm))
                setattr(module, after, nn.Identity())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    return net


def main():
    architecture, precision, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(threads)
    net = fold(getattr(torchvision.models, architecture)(weights=None).eval())
    if architecture.startswith("resnet"):
        net.fc = nn.Identity()
    else:
        net.classifier = net.classifier[:5]
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    net = net.to(dtype).to(memory_format=torch.channels_last)
    x = torch.rand(BATCH, 3, 224, 224).to(dtype).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        net(x)
        print("ready", flush=True)
        for line in sys.stdin:
            start = time.perf_counter()
            for _ in range(int(line) // BATCH):
                net(x)
            print(time.perf_counter() - start, flush=True)


main()
