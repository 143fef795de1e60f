#!/bin/sh
# go vet, and all tests with the race detector, of the package and of examples/go-service, against the library as it is
# installed; and that a library of another version is refused with a sentence. Usage: test.sh CMAKE BUILD LIBDIR GO
set -eu
cmake=$1 build=$2 libdir=$3 go=$4
cd "$(dirname "$0")"
# Always the same: the cache keeps what pkg-config has said.
work=$build/go-test
[ ! -e "$work" ] || chmod -R u+w "$work"
rm -rf "$work"
mkdir "$work"
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
"$cmake" --install "$build" --prefix "$work/prefix" > "$work/log" || { cat "$work/log"; exit 1; }
# The installed file names the prefix of the build; here it lies elsewhere.
sed "s|^prefix=.*|prefix=$work/prefix|" "$work/prefix/$libdir/pkgconfig/recsys.pc" > "$work/recsys.pc"
export PKG_CONFIG_PATH="$work" LD_LIBRARY_PATH="$work/prefix/$libdir" GOFLAGS=-mod=mod GOCACHE="$build/go-cache" GOTOOLCHAIN=local
for module in . ../../examples/go-service; do
  (
    cd "$module"
    [ -z "$("${go}fmt" -l .)" ] || { echo "not formatted: run gofmt -w in $module"; exit 1; }
    "$go" vet ./...
    "$go" test -race -count=1 ./...
  )
done

mkdir "$work/other"
sed 's/#define RECSYS_VERSION_MAJOR .*/#define RECSYS_VERSION_MAJOR 7/' "$work/prefix/include/recsys.h" > "$work/other/recsys.h"
sed "s|^includedir=.*|includedir=$work/other|" "$work/recsys.pc" > "$work/changed.pc"
mv "$work/changed.pc" "$work/recsys.pc"
# A cache of its own: Go does not see that what pkg-config says has changed.
export GOCACHE="$work/cache"
if "$go" build ./... > "$work/log" 2>&1; then
  echo "a library of another version was taken"
  exit 1
fi
grep -q "this Go package is for librecsys 0.1" "$work/log" || { cat "$work/log"; exit 1; }
