#!/bin/sh
# The main job on real data, with times: results.sh BUILD_FOLDER DATA_FOLDER > results.txt
# DATA_FOLDER holds posters/, movielens-small/, fashion/ and weights/, as docs/results.md describes them.
set -eu
build=$1 data=$(cd "$2" && pwd)
recsys=$build/examples/recsys/recsys
work=$build/results
mkdir -p "$work"

# Runs a command, prints it without machine paths, its output, and its wall time.
timed() {
  echo "\$ $*" | sed -e "s|${build}[^ ]*/||g" -e "s|$data/||g" -e "s|$work/||g"
  start=$(date +%s.%N)
  "$@" 2> "$work/stderr" | sed -e "s|$data/||g" -e "s|$work/||g" || { cat "$work/stderr"; exit 1; }
  end=$(date +%s.%N)
  echo "$start $end" | awk '{printf "(%.2f s)\n\n", $2 - $1}'
}

for model in squeezenet1_1 googlenet; do
  echo "== posters, $model"
  store=$work/posters-$model.recsys
  rm -f "$store" "$store-wal" "$store-shm"
  timed "$recsys" add "$store" --model "$data/weights/$model.safetensors" --images "$data/posters" --labels "$data/movielens-small/movies.csv" --key-column movieId --fields genres --texts title
  timed "$recsys" rate "$store" "$data/movielens-small/ratings.csv"
  timed "$recsys" info "$store"
  timed "$recsys" similar "$store" 1 -k 8 --title-field title
  timed "$recsys" recommend "$store" 1 -k 8 --ranker "visual neighbours=40" --title-field title
  timed "$recsys" recommend "$store" 1 -k 8 --ranker "category field=genres" --title-field title
  timed "$recsys" recommend "$store" --history 1:5,2:4 -k 8 --ranker "visual neighbours=40" --title-field title
  timed "$recsys" recommend "$store" 1 -k 8 --ranker popular --title-field title
  timed "$build/tests/bench/bench-holdout" "$store" genres 4 popular "popular by=mean damping=10" "visual neighbours=10" "visual neighbours=40" "visual neighbours=100" "visual neighbours=40 within_labels=genres" "category field=genres"

  echo "== product photographs, $model"
  store=$work/fashion-$model.recsys
  rm -f "$store" "$store-wal" "$store-shm"
  timed "$recsys" add "$store" --model "$data/weights/$model.safetensors" --images "$data/fashion/images" --labels "$data/fashion/styles.csv" --key-column id --fields gender,masterCategory,articleType,baseColour --texts productDisplayName
  timed "$recsys" similar "$store" 21379 -k 8 --title-field productDisplayName
  for field in articleType masterCategory gender baseColour; do
    timed "$build/tests/bench/bench-label_share" "$store" "$field"
  done
done
