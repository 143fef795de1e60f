"""Makes expected/ARCHITECTURE.txt (weights, layers and their shapes, from torchvision and reference_nets.py),
expected/recipes.txt (recipes from Pillow and torchvision.transforms on drawn pictures) and prints the numbers of
test_fold.c and test_weights.c. Run with a Python that has torch, torchvision and Pillow:

    python3 make_expected.py
"""

import os

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision import transforms

import reference_nets

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "expected")


def is_asked_for(name, module, batch_normed):
    """The library names neither a convolution whose batch norm is folded into it, nor containers of dense layers, nor
    the ReLU that torchvision's residual blocks use several times."""
    if batch_normed and isinstance(module, nn.Conv2d):
        return False
    return name != "classifier" and not (name.startswith("layer") and name.endswith(".relu"))


def write_architecture(architecture):
    net = reference_nets.make(architecture)
    modules = dict(net.named_modules())
    batch_normed = any(isinstance(m, nn.BatchNorm2d) for m in modules.values())
    values = reference_nets.layers(net, architecture, torch.zeros(reference_nets.input_shape(architecture)))
    with open(os.path.join(HERE, architecture + ".txt"), "w") as out:
        out.write("input %s\n" % " ".join(map(str, reference_nets.input_shape(architecture)[1:])))
        out.write("parameters %d\n" % sum(p.numel() for p in net.parameters()))
        for name, value in reference_nets.state(net).items():
            if not name.endswith("num_batches_tracked"):
                out.write("weight %s %s\n" % (name, " ".join(map(str, value.shape))))
        for name, value in values.items():
            if is_asked_for(name, modules.get(name), batch_normed):
                shape = list(value.shape[1:])
                while len(shape) == 3 and shape[1:] == [1, 1]:
                    shape = shape[:1]
                out.write("layer %s %s\n" % (name, " ".join(map(str, shape))))


def draw(width, height):
    """The picture that test_recipe.c draws with the same formula: stripes and noise in three different channels."""
    x = np.arange(width, dtype=np.uint64)[None, :]
    y = np.arange(height, dtype=np.uint64)[:, None]
    channels = [(x * x * 7 + y * y * 13 + x * y * 5) % 256, (x * 3 + y * 2) % 256, (x // 9 + y // 5) % 2 * 255 + x * 0]
    return Image.fromarray(np.stack(channels, 2).astype(np.uint8))


IMAGENET = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def apply(recipe, picture, side):
    """One recipe as its reference has it; an H x W x C float32 array."""
    if recipe in ("torchvision", "inception"):
        tensor = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(side), transforms.ToTensor()])(picture)
        tensor = IMAGENET(tensor)
        if recipe == "inception":
            # GoogLeNet._transform_input of torchvision, which follows its ImageNet normalisation.
            mean, scale = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
            tensor = tensor * (scale / 0.5)[:, None, None] + ((mean - 0.5) / 0.5)[:, None, None]
        return tensor.permute(1, 2, 0).numpy()
    if recipe == "keras":
        # keras.utils.load_img(target_size=...) and keras.applications.imagenet_utils.preprocess_input(mode="caffe")
        array = np.asarray(picture.resize((side, side), Image.NEAREST), dtype=np.float32)
        return array[:, :, ::-1] - np.array([103.939, 116.779, 123.68], dtype=np.float32)
    if recipe == "caffe":
        picture = transforms.CenterCrop(side)(picture.resize((256, 256), Image.BILINEAR))
        return np.asarray(picture, dtype=np.float32)[:, :, ::-1] - np.array([104, 117, 123], dtype=np.float32)
    if recipe == "lenet":
        array = np.asarray(picture.convert("L").resize((side, side), Image.BILINEAR), dtype=np.float32)
        return (1.175 - 1.275 * array / 255)[:, :, None]
    if recipe == "mini":
        picture = transforms.CenterCrop(side)(picture.resize((110, 110), Image.BILINEAR))
        return (np.asarray(picture, dtype=np.float32) / 255 - 0.5) / 0.25
    raise KeyError(recipe)


CASES = [("torchvision", 224), ("torchvision", 227), ("torchvision", 300), ("inception", 224), ("keras", 224),
         ("keras", 227), ("caffe", 224), ("caffe", 227), ("lenet", 32), ("mini", 96)]
SHAPES = [(1, 1), (300, 200), (199, 301), (256, 256), (224, 224), (257, 255), (3, 40), (61, 7), (640, 479), (100, 1023)]


def write_recipes():
    """One line per recipe and picture: 9 x 9 places, spread from corner to corner, all channels."""
    with open(os.path.join(HERE, "recipes.txt"), "w") as out:
        for recipe, side in CASES:
            for width, height in SHAPES:
                array = apply(recipe, draw(width, height), side)
                places = [i * (side - 1) // 8 for i in range(9)]
                values = array[np.ix_(places, places)].ravel()
                out.write("%s %d %d %d %s\n" % (recipe, side, width, height, " ".join("%.5g" % v for v in values)))


def print_fold():
    """The tiny convolution of test_fold.c: 2 filters of 1 x 1 over 2 channels, with bias, then batch norm."""
    weight = np.array([[0.5, -1.25], [2.0, 0.75]])
    bias, gamma, beta = np.array([0.1, -0.2]), np.array([1.5, 0.25]), np.array([-0.5, 1.0])
    mean, variance = np.array([0.3, -0.4]), np.array([4.0, 0.04])
    factor = gamma / np.sqrt(variance + 1e-3)
    print("filter", (weight * factor[:, None]).ravel().tolist())
    print("bias", (beta + (bias - mean) * factor).tolist())
    print("bias without the convolution's", (beta - mean * factor).tolist())


def print_random():
    """c1.weight of LeNet-5 for seed 7: PCG32 (O'Neill 2014, pcg32_srandom_r, stream 0), He's bound for 25 inputs."""
    mask = 2**64 - 1
    state, increment = 0, 1

    def draw_u32():
        nonlocal state
        old = state
        state = (old * 6364136223846793005 + increment) & mask
        shifted = (((old >> 18) ^ old) >> 27) & 0xFFFFFFFF
        turn = old >> 59
        return ((shifted >> turn) | (shifted << (-turn & 31))) & 0xFFFFFFFF

    draw_u32()
    state = (state + 7) & mask
    draw_u32()
    bound = np.sqrt(6.0 / 25)
    print("random", ["%.9gf" % np.float32((2 * ((draw_u32() + 0.5) / 2.0**32) - 1) * bound) for _ in range(3)])


if __name__ == "__main__":
    os.makedirs(HERE, exist_ok=True)
    for one in reference_nets.ARCHITECTURES:
        write_architecture(one)
    write_recipes()
    print_fold()
    print_random()
