# shellcheck shell=sh
# Sourced by tests/run.sh, examples/quickstart.sh and .ci/run: which Debian packages are needed, and how missing ones
# are installed. Nothing is fetched in any other way, and nothing is asked.

# shellcheck disable=SC2034
recsys_build_packages="build-essential cmake ninja-build pkg-config libjpeg-dev libpng-dev libsqlite3-dev libjansson-dev libutf8proc-dev libcurl4-openssl-dev libhdf5-dev libtorch-dev libdnnl-dev"
# What examples/shop needs beside these.
# shellcheck disable=SC2034
recsys_shop_packages="libmicrohttpd-dev libsodium-dev"
# Debian's Python packages are the references that some tests compare with.
# shellcheck disable=SC2034
recsys_test_packages="check python3 python3-numpy python3-pil python3-torch python3-torchvision python3-h5py python3-venv golang-go chromium chromium-driver"

recsys_missing_packages() {
  for recsys_package in "$@"; do
    case $(dpkg-query -W -f='${db:Status-Status}' "$recsys_package" 2> /dev/null) in
      installed) ;;
      *) printf ' %s' "$recsys_package" ;;
    esac
  done
}

# Installs those of the named packages that are missing. Status 1, with a message, when that cannot be done.
recsys_install_packages() {
  if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
    echo "This is not Debian or a relative of it (no apt-get), so nothing can be installed here. Going on with what is there; needed are:" >&2
    echo "  $*" >&2
    return 0
  fi
  recsys_missing=$(recsys_missing_packages "$@")
  [ -n "$recsys_missing" ] || return 0
  recsys_root=
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo > /dev/null; then
      echo "Packages are missing, and only root may install them. As root, run: apt-get install$recsys_missing" >&2
      return 1
    fi
    recsys_root="sudo -n"
  fi
  echo "Installing Debian packages:$recsys_missing"
  # shellcheck disable=SC2086
  recsys_apt install $recsys_missing && return 0
  # The lists may be absent (a fresh container) or too old to name what the mirror has.
  # shellcheck disable=SC2086
  if ! { recsys_apt update && recsys_apt install $recsys_missing; }; then
    echo "The packages could not be installed. Is there a network? To try by hand: apt-get update && apt-get install$recsys_missing" >&2
    return 1
  fi
}

recsys_apt() {
  recsys_verb=$1
  shift
  case $recsys_verb in
    update) $recsys_root env DEBIAN_FRONTEND=noninteractive apt-get -q update < /dev/null ;;
    install) $recsys_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@" < /dev/null ;;
  esac
}
