#!/bin/sh
# The include rule of docs/contributing.md: each room of lib/ includes only itself and the rooms it stands on, and
# libtorch's headers appear in engine/torch alone. Usage: includes.sh LIB_FOLDER
set -u
lib=$1
status=0

allowed() {
  case $1 in
    base) echo "base" ;;
    image) echo "base image" ;;
    nn) echo "base image nn" ;;
    engine) echo "base nn engine" ;;
    train) echo "base train" ;;
    model) echo "base image nn engine train model" ;;
    store) echo "base store" ;;
    ranker) echo "base store ranker" ;;
    eval) echo "base store ranker eval" ;;
    *) echo "" ;;
  esac
}

for room in $(cd "$lib" && find . -mindepth 1 -maxdepth 1 -type d | sed 's|^\./||' | sort); do
  rooms=$(allowed "$room")
  [ -n "$rooms" ] || { echo "lib/$room is a room that the include rule does not know"; status=1; continue; }
  # shellcheck disable=SC2044
  for file in $(find "$lib/$room" -name '*.[ch]' -o -name '*.cpp'); do
    for include in $(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file"); do
      case $include in
        recsys.h) ;;
        */*)
          target=${include%%/*}
          case " $rooms " in
            *" $target "*) ;;
            *) echo "$file includes \"$include\": lib/$room may include only: $rooms"; status=1 ;;
          esac ;;
        *) echo "$file includes \"$include\": write it with its room, as in \"$room/$include\""; status=1 ;;
      esac
    done
    case $file in
      */engine/torch/*) ;;
      *) grep -nE '#[[:space:]]*include[[:space:]]*<(torch|ATen|c10)/' "$file" /dev/null && { echo "libtorch's headers belong to lib/engine/torch alone"; status=1; } ;;
    esac
  done
done
exit $status
