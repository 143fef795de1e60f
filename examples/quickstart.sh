#!/bin/sh
# The whole job in one command: builds the library, draws a small catalogue (or takes yours), and prints ranked lists,
# also as a page with pictures. Everything it makes lies in build/quickstart. Run it again as often as you like.
set -eu

usage() {
  cat << 'USAGE'
Usage: sh examples/quickstart.sh [--data DIR] [--model FILE] [OPTION...]

  --data DIR      your own data instead of the drawn catalogue:
                    DIR/images/      JPEG and PNG files; an item's key is the file's name without extension
                    DIR/ratings.csv  columns user, item, rating and perhaps time (recsys rate --help names others)
                    DIR/items.csv    (or styles.csv) need not be there: a column item (or id) and what is known about the items;
                                     title, name, description, url and image are texts, price, year, stock and rating
                                     are numbers, every other column is a field of labels
  --model FILE    a network's weights as safetensors (recsys convert makes them from torchvision's .pth files);
                  without it the small network that comes along (examples/data/mini.safetensors), which was taught on
                  drawings; or untrained:squeezenet1_1 and the like, which tell colour and coarse pattern apart only
  --layer NAME, --recipe NAME, --precision KIND
                  as for recsys add
  --ranker TEXT   as for recsys recommend (default: auto)
  -k N            entries in a list (default 8)
  --help          print this

e.g. sh examples/quickstart.sh
     sh examples/quickstart.sh --data shop/ --model resnet50.safetensors
USAGE
}

misuse() {
  echo "quickstart: $*" >&2
  echo "Try: sh examples/quickstart.sh --help" >&2
  exit 2
}

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=$root/build/quickstart
data='' model='' layer='' recipe='' precision='' redrawn='' ranker=auto k=8

while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --data | --model | --layer | --recipe | --precision | --ranker | -k) [ $# -ge 2 ] || misuse "$1 needs a value" ;;
    *) misuse "there is no option $1" ;;
  esac
  case $1 in
    --data) data=$2 ;;
    --model) model=$2 ;;
    --layer) layer=$2 ;;
    --recipe) recipe=$2 ;;
    --precision) precision=$2 ;;
    --ranker) ranker=$2 ;;
    -k) k=$2 ;;
  esac
  shift 2
done

targets=
# shellcheck source=examples/prepare.sh
. "$root/examples/prepare.sh"
page=${store%.recsys}.html

step "Items like this one"
# Keys may hold anything but line breaks: lines become arguments.
IFS='
'
set -f
# shellcheck disable=SC2046
set -- $("$recsys" list "$store" --embedded --sample 3)
unset IFS
[ $# -gt 0 ] || { echo "No picture could be used." >&2; exit 1; }
"$recsys" similar "$store" -k "$k" --title-field "$title" --html "$page" --html-title "What librecsys makes of it" -- "$@"

step "For this shopper"
IFS='
'
# shellcheck disable=SC2046
set -- $("$recsys" list "$store" --users --min-ratings 5 --sample 3)
unset IFS
if [ $# -gt 0 ]; then
  "$recsys" recommend "$store" --ranker "$ranker" -k "$k" --title-field "$title" --html-add "$page" -- "$@"
else
  echo "nobody has rated five items"
fi

step "For a guest who liked these"
IFS='
'
# shellcheck disable=SC2046
set -- $("$recsys" list "$store" --embedded --sample 2)
unset IFS
for key in "$@"; do
  shift
  set -- "$@" --history "$(printf '%s' "$key" | sed 's/[\\,]/\\&/g'):5"
done
"$recsys" recommend "$store" --ranker "$ranker" -k "$k" --title-field "$title" --html-add "$page" "$@"

step "Done"
case $model in
  untrained:*)
    echo "The pictures were seen by an UNTRAINED network, which tells colour and coarse pattern apart, and nothing more."
    echo "For lists by looks give pretrained weights: sh examples/quickstart.sh --model FILE" ;;
esac
echo "The lists as pictures: $page"
echo "The command itself:    $recsys --help"
