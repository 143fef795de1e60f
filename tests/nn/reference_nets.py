"""Independent torch.nn modules for the networks that torchvision lacks, and a way to get any layer of any network.

ZFNet, LeNet-5 and the original GoogLeNet are written from their papers (and, for GoogLeNet, from Caffe's prototxt), not
from lib/nn. The state_dict names are those of lib/nn, so that a file written from one loads in the other.

    net = reference_nets.make("resnet50")        # any architecture of the library, random weights, eval mode
    values = reference_nets.layers(net, "resnet50", x)   # {layer name: N x ... tensor}, flatten/avgpool/maxpool too
"""

import torch
import torchvision
from torch import nn


class Inception(nn.Module):
    """Szegedy et al. 2015, figure 2(b), with biases and a ReLU after every convolution."""

    def __init__(self, channels, c1, r3, c3, r5, c5, pool):
        super().__init__()
        self.add_module("1x1", nn.Conv2d(channels, c1, 1))
        self.add_module("3x3_reduce", nn.Conv2d(channels, r3, 1))
        self.add_module("3x3", nn.Conv2d(r3, c3, 3, padding=1))
        self.add_module("5x5_reduce", nn.Conv2d(channels, r5, 1))
        self.add_module("5x5", nn.Conv2d(r5, c5, 5, padding=2))
        self.add_module("pool_proj", nn.Conv2d(channels, pool, 1))

    def forward(self, x, name, seen):
        def get(part, value):
            seen["%s/%s" % (name, part)] = torch.relu(self._modules[part](value))
            return seen["%s/%s" % (name, part)]

        pooled = seen["%s/pool" % name] = nn.functional.max_pool2d(x, 3, stride=1, padding=1, ceil_mode=True)
        return torch.cat([get("1x1", x), get("3x3", get("3x3_reduce", x)), get("5x5", get("5x5_reduce", x)),
                          get("pool_proj", pooled)], 1)


class GoogLeNet(nn.Module):
    """The original of 2014 as BVLC released it: LRN, no batch norm, 5 x 5 branches, ceil-mode pooling."""

    table = {"3a": (192, 64, 96, 128, 16, 32, 32), "3b": (256, 128, 128, 192, 32, 96, 64),
             "4a": (480, 192, 96, 208, 16, 48, 64), "4b": (512, 160, 112, 224, 24, 64, 64),
             "4c": (512, 128, 128, 256, 24, 64, 64), "4d": (512, 112, 144, 288, 32, 64, 64),
             "4e": (528, 256, 160, 320, 32, 128, 128), "5a": (832, 256, 160, 320, 32, 128, 128),
             "5b": (832, 384, 192, 384, 48, 128, 128)}

    def __init__(self, classes=1000):
        super().__init__()
        # Caffe's names have slashes; a state_dict joins module names with dots, so the parts before the slash are not
        # modules of their own, except for the inception blocks, whose keys state_dict() below rewrites.
        self.add_module("conv1/7x7_s2", nn.Conv2d(3, 64, 7, stride=2, padding=3))
        self.add_module("conv2/3x3_reduce", nn.Conv2d(64, 64, 1))
        self.add_module("conv2/3x3", nn.Conv2d(64, 192, 3, padding=1))
        for name, channels in self.table.items():
            self.add_module("inception_" + name, Inception(*channels))
        self.add_module("loss3/classifier", nn.Linear(1024, classes))

    def caffe_state_dict(self):
        """The state_dict under the library's names: inception_3a/1x1.weight for inception_3a.1x1.weight."""
        out = {}
        for key, value in self.state_dict().items():
            head, _, tail = key.partition(".")
            out[head + "/" + tail if head.startswith("inception_") else key] = value
        return out

    def forward(self, x, seen=None):
        seen = {} if seen is None else seen

        def keep(name, value):
            seen[name] = value
            return value

        def pool(value):
            return nn.functional.max_pool2d(value, 3, stride=2, ceil_mode=True)

        def lrn(value):
            return nn.functional.local_response_norm(value, 5, alpha=1e-4, beta=0.75, k=1.0)

        m = self._modules
        x = keep("conv1/7x7_s2", torch.relu(m["conv1/7x7_s2"](x)))
        x = keep("pool1/3x3_s2", pool(x))
        x = keep("pool1/norm1", lrn(x))
        x = keep("conv2/3x3_reduce", torch.relu(m["conv2/3x3_reduce"](x)))
        x = keep("conv2/3x3", torch.relu(m["conv2/3x3"](x)))
        x = keep("conv2/norm2", lrn(x))
        x = keep("pool2/3x3_s2", pool(x))
        for name in self.table:
            x = keep("inception_%s/output" % name, m["inception_" + name](x, "inception_" + name, seen))
            if name == "3b":
                x = keep("pool3/3x3_s2", pool(x))
            if name == "4e":
                x = keep("pool4/3x3_s2", pool(x))
        x = keep("pool5/7x7_s1", x.mean((2, 3)))
        x = keep("loss3/classifier", m["loss3/classifier"](x))
        return keep("softmax", x.softmax(1))


class ZFNet(nn.Module):
    """Zeiler and Fergus 2014, figure 3: 224 -> 110 -> 55 -> 26 -> 13 -> 6."""

    def __init__(self, classes=1000):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 96, 7, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0),
            nn.Conv2d(96, 256, 5, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0),
            nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True))
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(),
            nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(),
            nn.Linear(4096, classes))

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class LeNet5(nn.Module):
    """LeCun et al. 1998 with plain average pooling, a fully connected C3 and a linear output."""

    def __init__(self, classes=10):
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5)
        self.c3 = nn.Conv2d(6, 16, 5)
        self.c5 = nn.Linear(400, 120)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, classes)

    def forward(self, x, seen=None):
        seen = {} if seen is None else seen
        seen["c1"] = torch.tanh(self.c1(x))
        seen["s2"] = nn.functional.avg_pool2d(seen["c1"], 2)
        seen["c3"] = torch.tanh(self.c3(seen["s2"]))
        seen["s4"] = nn.functional.avg_pool2d(seen["c3"], 2)
        seen["c5"] = torch.tanh(self.c5(seen["s4"].flatten(1)))
        seen["f6"] = torch.tanh(self.f6(seen["c5"]))
        seen["output"] = self.output(seen["f6"])
        seen["softmax"] = seen["output"].softmax(1)
        return seen["output"]


class Block(nn.Module):
    """relu(x + conv3x3(relu(conv1x1(x))))"""

    def __init__(self, channels):
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // 2, 1)
        self.expand = nn.Conv2d(channels // 2, channels, 3, padding=1)

    def forward(self, x):
        return torch.relu(x + self.expand(torch.relu(self.reduce(x))))


class Mini(nn.Module):
    """docs/networks.md, "mini"."""

    def __init__(self, classes=1000):
        super().__init__()
        self.stem = nn.ModuleList([nn.Conv2d(3, 32, 3, 2, 1), nn.Conv2d(32, 64, 3, 2, 1)])
        self.stage1 = nn.ModuleList([Block(64)])
        self.down2 = nn.Conv2d(64, 128, 3, 2, 1)
        self.stage2 = nn.ModuleList([Block(128), Block(128)])
        self.down3 = nn.Conv2d(128, 192, 3, 2, 1)
        self.stage3 = nn.ModuleList([Block(192)])
        self.narrow = nn.Conv2d(192, 112, 1)
        self.classifier = nn.Linear(1008, classes)

    def forward(self, x, seen=None):
        seen = {} if seen is None else seen
        x = torch.relu(self.stem[0](x))
        seen["stem"] = torch.relu(self.stem[1](x))
        seen["stage1.0"] = self.stage1[0](seen["stem"])
        seen["stage2.0"] = self.stage2[0](torch.relu(self.down2(seen["stage1.0"])))
        seen["stage2.1"] = self.stage2[1](seen["stage2.0"])
        seen["stage3.0"] = self.stage3[0](torch.relu(self.down3(seen["stage2.1"])))
        seen["features"] = torch.relu(self.narrow(seen["stage3.0"]))
        seen["avgpool"] = seen["features"].mean((2, 3))
        seen["grid"] = nn.functional.avg_pool2d(seen["features"], 2).flatten(1)
        seen["classifier"] = self.classifier(seen["grid"])
        seen["softmax"] = seen["classifier"].softmax(1)
        return seen["classifier"]


ARCHITECTURES = ["vgg16", "vgg19", "vgg16_bn", "vgg19_bn", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
                 "googlenet", "googlenet_bn", "alexnet", "zfnet", "lenet5", "squeezenet1_1", "resnet50_v1", "mini"]
OWN = {"googlenet": GoogLeNet, "zfnet": ZFNet, "lenet5": LeNet5, "mini": Mini}
# The module whose output is the last picture-shaped activation, and the one that gives the class scores.
TRUNK = {"resnet": "layer4", "googlenet_bn": "inception5b", "googlenet": "inception_5b/output", "lenet5": "s4", "mini": "features"}
LOGITS = {"resnet": "fc", "googlenet_bn": "fc", "googlenet": "loss3/classifier", "lenet5": "output", "mini": "classifier",
          "squeezenet1_1": "classifier.3"}


def pick(table, architecture, default):
    if architecture in table:
        return table[architecture]
    return next((value for key, value in table.items() if architecture.startswith(key)), default)


def make(architecture, classes=None, seed=0):
    """A network of the library's architecture with torch's random weights and non-trivial batch norms."""
    classes = classes or (10 if architecture == "lenet5" else 1000)
    torch.manual_seed(seed)
    if architecture in OWN:
        net = OWN[architecture](classes)
    elif architecture == "googlenet_bn":
        net = torchvision.models.googlenet(weights=None, num_classes=classes, aux_logits=False, init_weights=False,
                                           transform_input=False)
    elif architecture == "resnet50_v1":
        net = torchvision.models.resnet50(weights=None, num_classes=classes)
        for stage in (net.layer2, net.layer3, net.layer4):
            stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    else:
        net = getattr(torchvision.models, architecture)(weights=None, num_classes=classes)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
            nn.init.uniform_(module.bias, -0.1, 0.1)
    return net.eval()


def state(net):
    """The weights under the library's names."""
    return net.caffe_state_dict() if isinstance(net, GoogLeNet) else net.state_dict()


def input_shape(architecture, n=1):
    return {"lenet5": (n, 1, 32, 32), "squeezenet1_1": (n, 3, 227, 227), "mini": (n, 3, 96, 96)}.get(architecture, (n, 3, 224, 224))


def layers(net, architecture, x):
    """Every module's output under the library's layer names. ReLU modules that torchvision uses several times give the
    result of their last use, and its own "maxpool" of ResNet is the library's "stem"."""
    seen = {}
    hooks = []

    def hook(name):
        def keep(module, inputs, output):
            if torch.is_tensor(output):
                seen[name] = output.clone()
        return keep

    with torch.no_grad():
        if architecture in ("googlenet", "lenet5", "mini"):
            net(x, seen)
        else:
            for name, module in net.named_modules():
                if name and not isinstance(module, nn.Dropout):
                    hooks.append(module.register_forward_hook(hook(name)))
            net(x)
    for h in hooks:
        h.remove()
    # In place ReLUs overwrite what the hook of the module before has cloned in time: clone() above keeps it.
    if architecture.startswith("resnet"):
        seen["stem"] = seen.pop("maxpool")
        seen["relu"] = torch.relu(seen["bn1"])
    if architecture == "googlenet_bn":
        for name in [key for key in seen if key.endswith(".bn")]:
            seen[name[:-3]] = torch.relu(seen[name])
    trunk = seen[pick(TRUNK, architecture, "features")]
    seen["flatten"] = trunk.flatten(1)
    seen["avgpool"] = trunk.mean((2, 3))
    seen["maxpool"] = trunk.amax((2, 3))
    logits = seen[pick(LOGITS, architecture, "classifier.6")].flatten(1)
    seen["softmax"] = logits.softmax(1)
    aliases = {"vgg": {"fc1": "classifier.1", "fc2": "classifier.4"},
               "alexnet": {"fc1": "classifier.2", "fc2": "classifier.5"},
               "zfnet": {"fc1": "classifier.2", "fc2": "classifier.5"}}
    for alias, name in pick(aliases, architecture, {}).items():
        seen[alias] = seen[name]
    return seen
