#!/bin/sh
# The small programs of examples/ on a drawn catalogue. Usage: examples.sh FOLDER-OF-PROGRAMS CATALOGUE NETWORK
set -eu
programs=$1 catalogue=$2 network=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$catalogue" "$work/shop" --items 60 --shoppers 30 > /dev/null
cd "$work"
model=$work/model.safetensors

fail() {
  echo "FAILED: $1" >&2
  [ ! -f out ] || cat out >&2
  exit 1
}

# A model file, made by training on a few pictures of two kinds.
kind_of() { sed -n "s/^$1,[^,]*,\([a-z]*\),.*/\1/p" shop/items.csv; }
words=
for file in shop/images/*; do
  name=$(basename "$file")
  words="$words $(kind_of "${name%.*}")=$file"
done
# shellcheck disable=SC2086
"$programs/train" "$network" "$model" kind $words > out 2> err || fail "train: $(cat err)"
grep -q '^kind=.*: F1 [01]\.[0-9]* on ' out || fail "train says how good each label is"
grep -q 'head: epoch 1, training loss' err || fail "train tells its progress"

echo "no picture" > broken.jpg
"$programs/embed" "$model" shop.recsys shop/images/* broken.jpg > out 2> err || fail "embed: $(cat err)"
grep -q '^60 of 61 pictures are in shop.recsys, 1024 floats each' out || fail "embed counts"
grep -q 'broken.jpg is left out: RECSYS_EFORMAT' err || fail "embed names the broken picture"

first=$(find shop/images -type f -exec basename {} \; | sort | head -n 1)
"$programs/similar" shop.recsys "$first" > out || fail "similar"
[ "$(wc -l < out)" -eq 10 ] || fail "similar lists ten items"
! grep -q "  $first\$" out || fail "an item is not in its own list"
! "$programs/similar" shop.recsys nosuch > out 2> err || fail "similar knows a key that nobody stored"
grep -q nosuch err || fail "similar names the key"

"$programs/recommend" shop.recsys visual "$first" > out || fail "recommend"
grep -q "because of $first (" out || fail "recommend says why"
"$programs/first_list" "$model" shop/images/* > out || fail "first_list"
[ "$(wc -l < out)" -eq 5 ] || fail "first_list lists five pictures"
for program in train embed similar recommend first_list; do
  code=0
  "$programs/$program" > /dev/null 2> err || code=$?
  if [ "$code" -ne 2 ] || ! grep -q usage err; then fail "$program says how it is used"; fi
done
