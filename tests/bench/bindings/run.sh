#!/bin/sh
# What the bindings cost: one recommend call, and embedding 1,000 pictures, in C, Python and Go on the same store, network
# and pictures, in turn. Prints a table. Usage: run.sh BUILD MODEL FOLDER [PYTHON]
set -eu
build=$(cd "$1" && pwd) model=$(realpath "$2") folder=$(realpath "$3") python=${4:-python3}
source=$(cd "$(dirname "$0")/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$build/examples/catalogue/catalogue" "$work/shop" --items 300 --shoppers 100 > /dev/null
"$build/examples/recsys/recsys" rate "$work/s.recsys" "$work/shop/ratings.csv" > /dev/null
cmake --install "$build" --prefix "$work/prefix" > /dev/null
libdir=$(dirname "$(find "$work/prefix" -name librecsys.so)")
sed "s|^prefix=.*|prefix=$work/prefix|" "$libdir/pkgconfig/recsys.pc" > "$work/recsys.pc"
export RECSYS_ENGINE_PATH="$libdir" RECSYS_LIBRARY="$libdir/librecsys.so" LD_LIBRARY_PATH="$libdir" PKG_CONFIG_PATH="$work"
export RECSYS_BENCH_STORE="$work/s.recsys" RECSYS_BENCH_MODEL="$model" RECSYS_BENCH_FOLDER="$folder"
for round in 1 2 3; do
  "$build/tests/bench/bench-bindings" "$work/s.recsys" "$model" "$folder" | sed "s/^/C $round /"
  PYTHONPATH="$source/bindings/python" "$python" "$source/tests/bench/bindings/bench.py" "$work/s.recsys" "$model" "$folder" | sed "s/^/Python $round /"
  (cd "$source/bindings/go" && go test -run XXX -bench 'BindingsRecommend' -benchtime 5x . |
    awk '/BenchmarkBindingsRecommend/ { for (i = 1; i < NF; i++) if ($(i + 1) == "ns/call") print "recommend", $i }'
    go test -run XXX -bench 'BindingsEmbed' -benchtime 5x . | awk '/BenchmarkBindingsEmbed/ { for (i = 1; i < NF; i++) if ($(i + 1) == "pictures/s") print "embed", $i }') |
    sed "s/^/Go $round /"
done | tee "$work/all" >&2
awk '{ key = $1 " " $3; if (!(key in best) || ($3 == "recommend" ? $4 < best[key] : $4 > best[key])) best[key] = $4 }
  END {
    printf "| | C | Python | Go |\n| --- | --- | --- | --- |\n"
    printf "| one recommend call, ns | %d | %d (+%d) | %d (+%d) |\n", best["C recommend"], best["Python recommend"],
      best["Python recommend"] - best["C recommend"], best["Go recommend"], best["Go recommend"] - best["C recommend"]
    printf "| pictures embedded per second | %.1f | %.1f (%.1f %%) | %.1f (%.1f %%) |\n", best["C embed"], best["Python embed"],
      100 * best["Python embed"] / best["C embed"], best["Go embed"], 100 * best["Go embed"] / best["C embed"]
    printf "| the same with the engine in a process of its own | | %.1f (%.1f %%) | |\n", best["Python embed-isolated"],
      100 * best["Python embed-isolated"] / best["C embed"]
  }' "$work/all"
