#!/bin/sh
# The wheel as a user makes it: an empty virtual environment, pip install, a program in another folder; how long the
# import takes above NumPy's, that no libtorch is mapped, and the type hints. Needs packages from PyPI: exit status 77
# (skipped) where they cannot be had.
#
#     wheel.sh SOURCE BUILD
set -eu
source=$1 folder=$2/python-wheel
rm -rf "$folder"
mkdir -p "$folder"
python3 -m venv "$folder/venv" || exit 77
"$folder/venv/bin/pip" download -q --no-deps -d "$folder/probe" scikit-build-core > /dev/null 2>&1 || {
  echo "skipped: no package index can be reached"
  exit 77
}
"$folder/venv/bin/pip" install -q numpy mypy
"$folder/venv/bin/pip" install -q --no-deps "$source/bindings/python"
unset RECSYS_LIBRARY RECSYS_ENGINE_PATH RECSYS_WORKER_PATH
cd /
"$folder/venv/bin/python" - << 'END'
import os, subprocess, sys
import numpy as np
import recsys
assert os.path.dirname(recsys.__file__).startswith(sys.prefix), recsys.__file__
maps = open("/proc/self/maps").read()
assert sys.prefix in [l for l in maps.splitlines() if "librecsys.so" in l][0], "another library was loaded"
assert "libtorch" not in maps
with recsys.Model.create("mini", seed=1) as model:
    assert model.embed(np.zeros((2, 64, 64, 3), np.uint8)).shape == (2, model.dim)
assert "libtorch" not in open("/proc/self/maps").read()

# Milliseconds of both imports, the smallest of several new processes that take turns.
timer = "import time; t = time.perf_counter(); import {}; print(1e3 * (time.perf_counter() - t))"
best = {"numpy": 1e9, "recsys": 1e9}
for _ in range(9):
    for name in best:
        best[name] = min(best[name], float(subprocess.check_output([sys.executable, "-c", timer.format(name)])))
print("import recsys: {recsys:.1f} ms, of which numpy {numpy:.1f} ms".format(**best))
END
"$folder/venv/bin/mypy" --strict "$source/bindings/python/recsys"
