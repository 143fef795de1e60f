#!/bin/sh
# Builds the tree another way and runs its quick tests. Usage: variant.sh CMAKE SOURCE BUILD CTEST_REGEX [CMAKE_OPTION...]
set -eu
cmake=$1 source=$2 build=$3 regex=$4
shift 4
launcher=
if command -v ccache > /dev/null; then launcher="-DCMAKE_C_COMPILER_LAUNCHER=ccache"; fi
mkdir -p "$build"
# shellcheck disable=SC2086
"$cmake" -S "$source" -B "$build" -G Ninja -DRECSYS_TESTS=ON -DRECSYS_VARIANTS=OFF -DRECSYS_ENGINES=none $launcher "$@" > "$build.log" 2>&1 &&
  "$cmake" --build "$build" >> "$build.log" 2>&1 || { tail -n 60 "$build.log"; exit 1; }
# Leaks are reported by AddressSanitizer; the first finding of any kind fails the test that made it.
export ASAN_OPTIONS="detect_leaks=1:allocator_may_return_null=1" UBSAN_OPTIONS="print_stacktrace=1" TSAN_OPTIONS="halt_on_error=1:die_after_fork=0"
ctest --test-dir "$build" -L quick -R "$regex" --no-tests=error --output-on-failure -j "$(nproc)"
