"""Every recipe on real pictures against Pillow and torchvision.transforms, to one grey level.

    compare_recipes.py RECIPE_PROGRAM DATA_FOLDER     exit status 77: no torchvision, or no pictures
"""

import glob
import os
import subprocess
import sys

try:
    import numpy as np
    from PIL import Image
    import make_expected
except ImportError as missing:
    print("skipped: %s" % missing)
    sys.exit(77)

# What one grey level is in each recipe's values, by channel.
LEVEL = {"torchvision": 1 / 255 / np.array([0.229, 0.224, 0.225]), "inception": 2 / 255, "keras": 1, "caffe": 1, "mini": 4 / 255,
         "lenet": 1.275 / 255}


def main():
    program, folder = sys.argv[1:]
    posters = sorted(glob.glob(os.path.join(folder, "posters", "*.jpg")))
    products = sorted(glob.glob(os.path.join(folder, "fashion", "images", "*.jpg")))
    if not posters or not products:
        print("skipped: no pictures in %s" % folder)
        sys.exit(77)
    # The two odd ones (a PNG under the name of a JPEG, a grey one), and a spread of the others.
    odd = [path for path in posters if os.path.basename(path) in ("3575.jpg", "1789.jpg")]
    worst = 0.0
    for path in odd + posters[::len(posters) // 8] + products[::len(products) // 4]:
        picture = Image.open(path).convert("RGB")
        for recipe, side in (("torchvision", 224), ("inception", 224), ("keras", 224), ("caffe", 227), ("lenet", 32),
                             ("mini", 96)):
            out = subprocess.run([program, path, recipe, str(side)], check=True, stdout=subprocess.PIPE).stdout
            found = np.frombuffer(out, np.float32).reshape(side, side, -1)
            difference = np.abs(found - make_expected.apply(recipe, picture, side)) / LEVEL[recipe]
            assert difference.max() < 1.01, "%s of %s differs by %.2f grey levels" % (recipe, path, difference.max())
            worst = max(worst, difference.max())
    print("largest difference: %.3f grey levels" % worst)


if __name__ == "__main__":
    main()
