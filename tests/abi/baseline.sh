#!/bin/sh
# Usage: baseline.sh ABIDIFF LIBRARY CC THIS_FOLDER PROJECT
# Compares the library with the interface of the saved header: a stand-in library is generated from that header (every
# function returns zero), and abidiff compares types and names. Then a client compiled against the saved header runs
# with the library.
set -eu
abidiff=$1 library=$2 cc=$3 here=$4 project=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/old"
cp "$here/baseline/recsys.h" "$work/old/recsys.h"
{
  echo '#include "recsys.h"'
  # Declarations span lines: join them, keep those marked RECSYS_API, give each a body.
  sed -e 's|/\*.*\*/||' "$work/old/recsys.h" | grep -v '^#' | awk '/\/\*/ {skip = 1} !skip {print} /\*\// {skip = 0}' | tr '\n' ' ' |
    grep -o 'RECSYS_API [^;]*;' | grep '(' | sed -e '/^RECSYS_API void recsys/ s/;$/ {}/' -e 's/;$/ { return 0; }/'
} > "$work/old.c"
soname=$(objdump -p "$library" | awk '$1 == "SONAME" {print $2}')
"$cc" -g -shared "-Wl,-soname,$soname" -fPIC -w -I"$work/old" "$work/old.c" -o "$work/libold.so"

code=0
"$abidiff" --headers-dir1 "$work/old" --headers-dir2 "$project/include" --drop-private-types "$work/libold.so" "$library" > "$work/report" || code=$?
# Bit 4 (value 8): incompatible; bit 1 and 2: abidiff itself failed. Bit 3 (value 4) alone: additions, which are fine.
if [ $((code & 11)) -ne 0 ]; then
  cat "$work/report"
  exit 1
fi

"$cc" -std=c99 -I"$work/old" "$here/../install/consumer.c" "$library" -Wl,-rpath,"$(dirname "$library")" -o "$work/client"
"$work/client"
echo "compatible with the saved interface: $(grep -c 'RECSYS_API recsys\|RECSYS_API void\|RECSYS_API const\|RECSYS_API uint' "$work/old/recsys.h") functions"
