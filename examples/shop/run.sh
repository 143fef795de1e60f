#!/bin/sh
# Builds the shop and opens it at http://127.0.0.1:8080, over the drawn catalogue or over photographs. Ctrl-C ends it; what
# shoppers did is kept in build/quickstart/shop-*.own.
set -eu

usage() {
  cat << 'USAGE'
Usage: sh examples/shop/run.sh [--data DIR] [--model FILE] [--layer NAME] [OPTION OF THE SHOP...]

  --data DIR    photographs instead of the drawn catalogue: DIR/images/, and perhaps DIR/items.csv (or styles.csv) and
                DIR/ratings.csv, as sh examples/quickstart.sh --help says. Products without a price get a made-up one.
  --model FILE  a network's weights; without it the small network that comes along
  --layer NAME  which of its layers is the embedding
  other options go to the shop: --port 8080, --smtp URL, --make-seller ADDRESS, ... (docs/shop.md)
USAGE
}

misuse() {
  echo "shop: $*" >&2
  echo "Try: sh examples/shop/run.sh --help" >&2
  exit 2
}

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
build=$root/build/quickstart
data='' model='' layer='' recipe='' precision='' redrawn=''
n=$#
while [ "$n" -gt 0 ]; do
  option=$1
  shift
  n=$((n - 1))
  case $option in
    --help | -h) usage; exit 0 ;;
    --data | --model | --layer)
      [ "$n" -gt 0 ] || misuse "$option needs a value"
      case $option in
        --data) data=$1 ;;
        --model) model=$1 ;;
        --layer) layer=$1 ;;
      esac
      shift
      n=$((n - 1)) ;;
    *) set -- "$@" "$option" ;; # for the shop
  esac
done

# shellcheck disable=SC2034
ratings=optional targets='shop recsys-command recsys-torch recsys-onednn recsys-worker catalogue'
# shellcheck source=tests/packages.sh
. "$root/tests/packages.sh"
# shellcheck disable=SC2034,SC2154
packages=$recsys_shop_packages
# shellcheck source=examples/prepare.sh
. "$root/examples/prepare.sh"

step "The shop"
# shellcheck disable=SC2154
[ -z "$fields" ] || set -- --fields "$(printf '%s' "$fields" | cut -d, -f1-8)" "$@"
# shellcheck disable=SC2154
exec "$build/examples/shop/shop" --store "$store" --model "$model" --folder "${store%.recsys}.own" --title-field "$title" "$@"
