#!/bin/sh
# Builds with tests in build/tests and runs the tiers quick and full. Missing Debian packages are installed first.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
# shellcheck source=tests/packages.sh
. "$root/tests/packages.sh"
build=$root/build/tests

# shellcheck disable=SC2086
recsys_install_packages $recsys_build_packages $recsys_shop_packages $recsys_test_packages

launchers=
if command -v ccache > /dev/null; then
  launchers="-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache"
fi
# shellcheck disable=SC2086
cmake -S "$root" -B "$build" -G Ninja -DRECSYS_TESTS=ON -DRECSYS_WERROR=ON $launchers
cmake --build "$build" --parallel "$(nproc)"
exec ctest --test-dir "$build" -L 'quick|full' --output-on-failure -j "$(nproc)"
