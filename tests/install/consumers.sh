#!/bin/sh
# Usage: consumers.sh CMAKE BUILD_FOLDER THIS_FOLDER LIBDIR
# A C and a C++ program are built and run against the installed library, by pkg-config and by CMake's find_package.
set -eu
cmake=$1 build=$2 here=$3 libdir=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

"$cmake" --install "$build" --prefix "$prefix" > "$work/install.log" || { cat "$work/install.log"; exit 1; }
for file in include/recsys.h "$libdir/librecsys.so" "$libdir/recsys-worker" "$libdir/pkgconfig/recsys.pc" "$libdir/cmake/recsys/recsys-config.cmake" bin/recsys share/recsys/mini.safetensors; do
  [ -e "$prefix/$file" ] || { echo "not installed: $file"; exit 1; }
done

cp "$here/consumer.c" "$here/consumer.cpp" "$work"
cd "$work"
export LD_LIBRARY_PATH="$prefix/$libdir"

echo "== pkg-config"
export PKG_CONFIG_PATH="$prefix/$libdir/pkgconfig"
flags="$(pkg-config --define-variable=prefix="$prefix" --cflags --libs recsys)"
# shellcheck disable=SC2086
cc -std=c99 -Wall -Werror consumer.c $flags -o by_pkgconfig_c && ./by_pkgconfig_c
# shellcheck disable=SC2086
c++ -std=c++11 -Wall -Werror consumer.cpp $flags -o by_pkgconfig_cxx && ./by_pkgconfig_cxx

echo "== CMake package"
cat > CMakeLists.txt <<'TXT'
cmake_minimum_required(VERSION 3.16)
project(consumer C CXX)
find_package(recsys 0.1 REQUIRED)
foreach(language c cpp)
  add_executable(by_cmake_${language} consumer.${language})
  target_link_libraries(by_cmake_${language} PRIVATE recsys::recsys)
endforeach()
TXT
"$cmake" -S . -B out -DCMAKE_PREFIX_PATH="$prefix" > cmake.log && "$cmake" --build out >> cmake.log || { cat cmake.log; exit 1; }
./out/by_cmake_c && ./out/by_cmake_cpp

echo "== installed command"
"$prefix/bin/recsys" --version
if [ -e "$build/lib/librecsys-torch.so" ]; then
  [ -e "$prefix/$libdir/librecsys-torch.so" ] || { echo "not installed: $libdir/librecsys-torch.so"; exit 1; }
fi
echo "all consumers built and ran"
