#!/bin/sh
# The library exports exactly the names of its map, all of which the header declares. Usage: exports.sh LIBRARY MAP HEADER
set -eu
library=$1 map=$2 header=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

nm -D --defined-only "$library" | awk '$2 ~ /[TDBRVW]/ {print $3}' | sed 's/@.*//' | grep -v '^RECSYS_[0-9.]*$' | sort > "$work/exported"
sed -n 's/^ *\(recsys_[a-z0-9_]*\);$/\1/p' "$map" | sort > "$work/map"
grep -v '^#' "$header" | tr '\n' ' ' | grep -o 'RECSYS_API [^;(]*(' | sed 's/.*[ *]\(recsys_[a-z0-9_]*\)($/\1/' | sort > "$work/declared"

[ -s "$work/map" ] || { echo "no names found in $map"; exit 1; }
for pair in "exported map" "declared map"; do
  set -- $pair
  if ! diff "$work/$1" "$work/$2" > "$work/diff"; then
    echo "names that are $1 (<) and names of the map (>) differ:"
    cat "$work/diff"
    exit 1
  fi
done
echo "$(wc -l < "$work/map") names exported, declared and in the map"
