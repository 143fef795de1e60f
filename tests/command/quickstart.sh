#!/bin/sh
# quickstart.sh as a user runs it: from another folder, twice, then with data of one's own. Usage: quickstart.sh SOURCE
set -eu
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
  echo "FAILED: $*" >&2
  cat "$work/log" >&2
  exit 1
}
expect() { grep -q -- "$1" "$work/log" || fail "the output lacks: $1"; }
page_of() { sed -n 's/^The lists as pictures: //p' "$work/log"; }

for round in first second; do
  begin=$(date +%s)
  sh "$source/examples/quickstart.sh" < /dev/null > log 2>&1 || fail "the $round run"
  seconds=$(($(date +%s) - begin))
  expect "Most like"
  expect "For ada, who rated\|For [a-z0-9-]*, who rated"
  expect "For a guest with 2 items"
  ! grep -q UNTRAINED "$work/log" || fail "the default model is untrained"
  page=$(page_of)
  [ -s "$page" ] || fail "there is no page $page"
  [ "$(grep -c '<section>' "$page")" -eq 7 ] || fail "the page has not 7 lists"
  [ "$(grep -o 'src="data:image/' "$page" | wc -l)" -gt 50 ] || fail "the page has few pictures"
done
expect "0 pictures stored, 300 were there already"
[ "$seconds" -le 60 ] || fail "the second run took $seconds seconds"

# A folder with spaces and commas in its names, and no items.csv.
mkdir -p "my shop/images"
n=0
for picture in "$source"/build/quickstart/catalogue/images/*; do
  n=$((n + 1))
  [ "$n" -le 12 ] || break
  cp "$picture" "my shop/images/item, no $n.${picture##*.}"
done
{
  echo "rating,item,user"
  for i in 1 2 3 4 5 6; do printf '%s,"item, no %s",a user\n' "$i" "$i"; done
} > "my shop/ratings.csv"
sh "$source/examples/quickstart.sh" --data "my shop" -k 3 < /dev/null > log 2>&1 || fail "the run with --data"
expect "12 pictures stored"
expect "For a user, who rated 6 items"
store=$(page_of)
rm -f "$store" "${store%.html}.recsys" "${store%.html}.recsys-wal" "${store%.html}.recsys-shm"

if sh "$source/examples/quickstart.sh" --data "$work/none" < /dev/null > log 2>&1; then fail "a missing folder was taken"; fi
expect "no folder"
