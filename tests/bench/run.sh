#!/bin/sh
# librecsys beside its peers, in turn on the same threads, data and processor; writes docs/benchmarks.md and its chart.
#
#   sh tests/bench/run.sh BUILD_FOLDER DATA_FOLDER [ROUNDS=5]
#
# Peers come from PyPI into BUILD_FOLDER/bench (remove it to start afresh); one that cannot be had is left out, and
# named. BUILD_FOLDER has librecsys, its engines and the examples. DATA_FOLDER holds posters/*.jpg, fashion/images/*.jpg,
# fashion/styles.csv, weights/googlenet.safetensors, weights/squeezenet1_1.safetensors and
# movielens-1m/user-movie-pairs.tsv.gz (user and item a line). Needs python3 with venv, the network, and a Python with
# torch and torchvision (RECSYS_TORCH_PYTHON, /usr/bin/python3). Replaces its part of docs/benchmarks.md, and
# docs/benchmarks.svg. On more than two cores run it under taskset -c 0,1: some peers take as many threads as there are.
# Takes about 15 minutes on two cores.
set -eu
build=$(cd "$1" && pwd) data=$(cd "$2" && pwd) rounds=${3:-5}
here=$(cd "$(dirname "$0")" && pwd)
work=$build/bench
mkdir -p "$work"
: > "$work/notes.jsonl"
: > "$work/left-out.txt"

[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip -q install numpy threadpoolctl
"$python" -m pip -q install onnx pillow || echo "left out: the peers in int8, whose networks onnx and pillow help to make" >&2
for peer in openvino onnxruntime faiss-cpu usearch hnswlib implicit; do
  "$python" -m pip -q install "$peer" > "$work/pip.log" 2>&1 || {
    echo "left out: $peer cannot be installed" >&2
    echo "$peer (cannot be installed)" >> "$work/left-out.txt"
  }
done

export RECSYS_LIBRARY="$build/lib/librecsys.so" RECSYS_BENCH_NOTES="$work/notes.jsonl" RECSYS_BENCH_LEFT_OUT="$work/left-out.txt" SHARED_DATA="$data"
export OPENBLAS_NUM_THREADS=1 # threads of NumPy's that spin beside those that are measured

echo "== embedding" >&2
"$python" "$here/networks.py" "$work/networks" "$data/posters" "$rounds" > "$work/networks.md"

echo "== search" >&2
if [ ! -f "$work/rows-512.f32" ]; then
  rm -rf "$work/cache"
  "$build/examples/recsys/recsys" train --model "$data/weights/googlenet.safetensors" --images "$data/fashion/images" \
    --labels "$data/fashion/styles.csv" --key-column id --fields masterCategory --cache "$work/cache" --out "$work/head.safetensors" > "$work/train.log"
  "$python" "$here/rows.py" "$work/cache" 101000 512 "$work/rows-512.f32" > "$work/rows.log"
fi
"$python" "$here/search.py" "$work/rows-512.f32" 512 "$rounds" > "$work/search.md"

echo "== ranking" >&2
"$python" "$here/rank.py" "$RECSYS_LIBRARY" "$data/movielens-1m/user-movie-pairs.tsv.gz" "$rounds" > "$work/rank.txt"

versions=$("$python" -m pip list --format=freeze | grep -iE '^(openvino|onnxruntime|faiss-cpu|usearch|hnswlib|implicit|numpy)==' | sed 's/==/ /' | paste -sd, - | sed 's/,/, /g')
processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
"$python" "$here/report.py" "$work/notes.jsonl" "$work/left-out.txt" "$here/../../docs/benchmarks.md" "$here/../../docs/benchmarks.svg" \
  "\`sh tests/bench/run.sh BUILD DATA $rounds\`, $(nproc) threads of a $processor, $(date +%F), $versions"
