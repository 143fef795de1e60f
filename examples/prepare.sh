# shellcheck shell=sh
# Sourced by quickstart.sh and shop/run.sh: builds, draws or takes the data, and fills a store with it. Needs $root, $build
# and misuse; takes $data, $model, $layer, $recipe, $precision and $targets (what to build; empty: everything), and with
# ratings=optional goes on without ratings.csv. Gives $data, $store, $recsys, $title (the text that names an item) and
# $fields (of labels, separated by commas).
# shellcheck disable=SC2154,SC2034

# What is wrong with the arguments is said before minutes are spent on building.
if [ -n "$data" ]; then
  [ -d "$data/images" ] || misuse "$data/images is no folder"
  [ "${ratings:-}" = optional ] || [ -f "$data/ratings.csv" ] || misuse "$data/ratings.csv is not there"
  data=$(CDPATH='' cd -- "$data" && pwd)
fi
case $model in
  '') model=$root/examples/data/mini.safetensors ;;
  untrained:*) ;;
  *)
    [ -f "$model" ] || misuse "$model is no file"
    model=$(CDPATH='' cd -- "$(dirname -- "$model")" && pwd)/$(basename -- "$model") ;;
esac

step() { printf '\n== %s\n' "$*"; }

step "Debian packages"
# shellcheck source=tests/packages.sh
. "$root/tests/packages.sh"
# shellcheck disable=SC2086
recsys_install_packages $recsys_build_packages ${packages:-}
echo "all there"

step "Building in build/quickstart"
launchers=
if command -v ccache > /dev/null; then
  launchers="-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache"
fi
mkdir -p "$build"
# shellcheck disable=SC2086
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release "-DRECSYS_ENGINES=torch;onednn" -DRECSYS_TESTS=OFF $launchers > "$build/configure.log" 2>&1 ||
  { cat "$build/configure.log" >&2; exit 1; }
NINJA_STATUS='[%f of %t, %o/s, %e s] ' cmake --build "$build" --parallel "$(nproc)" ${targets:+--target $targets}
recsys=$build/examples/recsys/recsys

if [ -z "$data" ]; then
  step "Drawing a catalogue"
  data=$build/catalogue
  if [ -f "$data/complete" ] && [ -z "$(find "$build/examples/catalogue/catalogue" -newer "$data/complete")" ]; then
    echo "it is there: $data"
  else
    redrawn=yes
    rm -rf "$data"
    "$build/examples/catalogue/catalogue" "$data"
    touch "$data/complete"
  fi
fi

items=$data/items.csv
[ -f "$items" ] || items=$data/styles.csv
[ -f "$items" ] || items=

# The columns of that file by their names: "NAME,NAME,..." for --fields, --numbers and --texts.
columns() {
  head -n 1 "$items" | tr -d '\r"' | sed '1s/^\xef\xbb\xbf//' | awk -F, -v want="$1" '{
    for (i = 1; i <= NF; i++) {
      name = tolower($i); kind = "fields"
      if (name ~ /^(item|item_id|itemid|movieid|sku|product_id|id)$/ || name == "") kind = "key"
      else if (name ~ /^(title|name|description|url|image|productdisplayname)$/) kind = "texts"
      else if (name ~ /^(price|year|stock|rating)$/) kind = "numbers"
      if (kind == want) { printf "%s%s", separator, $i; separator = "," }
    }
  }'
}

# A store holds the embeddings of one model over one set of data: each pair has its own.
store=$build/shop-$(printf '%s|%s|%s|%s' "$data" "$model" "$layer" "$recipe" | cksum | cut -d ' ' -f 1).recsys
title=title fields=
fill_store() {
  set -- --model "$model"
  [ -z "$layer" ] || set -- "$@" --layer "$layer"
  [ -z "$recipe" ] || set -- "$@" --recipe "$recipe"
  [ -z "$precision" ] || set -- "$@" --precision "$precision"
  if [ -n "$items" ]; then
    set -- "$@" --labels "$items"
    for kind in fields numbers texts; do
      names=$(columns "$kind")
      [ -z "$names" ] || set -- "$@" "--$kind" "$names"
      [ "$kind" != fields ] || fields=$names
      case ",$names," in *,productDisplayName,*) title=productDisplayName ;; esac
    done
  fi

  step "Pictures to embeddings, into $store"
  [ -z "$redrawn" ] || rm -f "$store" "$store-wal" "$store-shm"
  "$recsys" add "$store" --images "$data/images" "$@"
}
fill_store

if [ -f "$data/ratings.csv" ]; then
  step "Ratings"
  "$recsys" rate "$store" "$data/ratings.csv"
fi
