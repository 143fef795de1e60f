"""Decoding and resampling of real pictures against Pillow. Usage: compare_pillow.py PIXELS_TOOL DATA_FOLDER
Every 50th poster and 30th product photograph, as it is, to short side 256 (bilinear, torchvision's rule) and to 224 x 224
(nearest). No value may differ by more than one grey level. Exit code 77: there is no Pillow, or no data."""
import glob
import os
import subprocess
import sys

try:
    import numpy
    from PIL import Image, ImageOps
except ImportError:
    print("skipped: there is no Pillow")
    sys.exit(77)


def pictures(data):
    names = sorted(glob.glob(os.path.join(data, "posters", "*.jpg")))[::50]
    names += sorted(glob.glob(os.path.join(data, "fashion", "images", "*")))[::30]
    special = [os.path.join(data, "posters", name) for name in ("3575.jpg", "1789.jpg")]
    return names + [name for name in special if os.path.exists(name)]


def jobs(image):
    """(width, height, filter, pixels) that Pillow gets."""
    width, height = image.size
    size = (256, int(256 * height / width)) if width < height else (int(256 * width / height), 256)
    yield 0, 0, "bilinear", numpy.asarray(image)
    yield size[0], size[1], "bilinear", numpy.asarray(image.resize(size, Image.BILINEAR))
    yield 224, 224, "nearest", numpy.asarray(image.resize((224, 224), Image.NEAREST))


def ask(tool, line):
    tool.stdin.write(line.encode() + b"\n")
    tool.stdin.flush()
    head = tool.stdout.readline().split()
    if not head or head[0] != b"P6":
        return None, b" ".join(head).decode()
    width, height = int(head[1]), int(head[2])
    data = tool.stdout.read(width * height * 3)
    return numpy.frombuffer(data, numpy.uint8).reshape(height, width, 3), ""


def main(command, data):
    names = pictures(data)
    if not names:
        print("skipped: there is no data in", data)
        return 77
    tool = subprocess.Popen([command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    compared = worst = bad = 0
    for name in names:
        image = ImageOps.exif_transpose(Image.open(name)).convert("RGB")
        for width, height, kind, expected in jobs(image):
            got, message = ask(tool, "%d %d %s %s" % (width, height, kind, name))
            if got is None or got.shape != expected.shape:
                print(name, "failed:", message)
                bad += 1
                continue
            difference = int(numpy.abs(got.astype(int) - expected).max())
            worst = max(worst, difference)
            compared += 1
            if difference > 1:
                print(name, width, height, kind, "differs by", difference)
                bad += 1
    print("%d pictures, %d comparisons, largest difference %d, %d failures" % (len(names), compared, worst, bad))
    return 1 if bad or compared < 3 * len(names) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
