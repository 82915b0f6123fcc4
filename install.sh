#!/bin/sh
# Installs ttun for this system, without root into ~/.local/bin, as root into /usr/local/bin:
#
#   curl -fsSL https://github.com/tt/cli/releases/latest/download/install.sh | sh
#   sh install.sh --uninstall
#
# TTUN_INSTALL_DIR  the folder to install into
# TTUN_VERSION      a version, as 0.1.0, instead of the latest
# TTUN_BASE_URL     where the files, SHA256SUMS and SHA256SUMS.sig are: https://, file:///FOLDER, or
#                   http:// on this machine
# TTUN_CHECKSUM_ONLY=1  go on without the signature: whoever can change the files there can change
#                   their sums too
#
# SHA256SUMS must have a signature by the key below, which ssh-keygen checks (OpenSSH 8.1 or later).
set -eu

RELEASES=https://github.com/tt/cli/releases

# The public key of the releases, "ssh-ed25519 AAAA…". A build puts it in from
# release/signing_key.pub; in the sources, and in a build without that file, there is none.
SIGNING_KEY=''

say() { printf '%s\n' "$*"; }

fail() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

install_dir() {
  if [ -n "${TTUN_INSTALL_DIR:-}" ]; then
    case $TTUN_INSTALL_DIR in
      /*) printf '%s' "$TTUN_INSTALL_DIR" ;;
      *) printf '%s/%s' "$PWD" "$TTUN_INSTALL_DIR" ;;
    esac
  elif [ "$(id -u)" = 0 ]; then
    printf /usr/local/bin
  else
    [ -n "${HOME:-}" ] || fail "HOME is not set: say by TTUN_INSTALL_DIR where to install"
    printf '%s/.local/bin' "$HOME"
  fi
}

# The name of the file for this system.
file_name() {
  os=$(uname -s) machine=$(uname -m)
  case $os in
    Linux) os=linux ;;
    Darwin) os=macos ;;
    *) fail "there is no ttun for $os: only for Linux and macOS" ;;
  esac
  case $machine in
    x86_64 | amd64) machine=x64 ;;
    aarch64 | arm64) machine=arm64 ;;
    *) fail "there is no ttun for $machine processors: only for x86-64 and ARM64" ;;
  esac
  # A shell that Rosetta translates sees an Intel processor.
  if [ $os = macos ] && [ "$(sysctl -n sysctl.proc_translated 2>/dev/null || true)" = 1 ]; then
    machine=arm64
  fi
  printf 'ttun-%s-%s' $os $machine
}

base_url() {
  if [ -n "${TTUN_BASE_URL:-}" ]; then
    printf '%s' "${TTUN_BASE_URL%/}"
  elif [ -n "$version" ]; then
    printf '%s/download/v%s' $RELEASES "$version"
  else
    printf '%s/latest/download' $RELEASES
  fi
}

# The sum comes from where the file comes from, so nobody may change them on their way.
check_url() {
  case $1 in
    https://* | file:///*) return ;;
    http://*) ;;
    *) fail "cannot use $1 as TTUN_BASE_URL: begin it with https:// or file:///" ;;
  esac
  host=${1#http://}
  host=${host%%/*}
  case $host in
    *@*) ;;
    127.0.0.1 | 127.0.0.1:* | localhost | localhost:* | '[::1]' | '[::1]:'*) return ;;
  esac
  fail "cannot use $1 as TTUN_BASE_URL: http:// is for this machine alone, take https://"
}

# get URL FILE
get() {
  case $1 in
    file://*)
      cp -- "${1#file://}" "$2" || fail "cannot get $1"
      return
      ;;
    https://*) protocols='=https' redirects=5 ;;
    *) protocols='=http' redirects=0 ;;
  esac
  if have curl; then
    curl -fsSL --proto "$protocols" --proto-redir "$protocols" --max-redirs $redirects \
      -o "$2" -- "$1" || fail "cannot get $1"
  elif have wget; then
    get_by_wget "$1" "$2" $redirects
  else
    fail "it takes curl or wget to get ttun: install one of them"
  fi
}

# get_by_wget URL FILE REDIRECTS: of itself wget would also follow to http://.
get_by_wget() {
  url=$1 left=$3
  until LC_ALL=C wget -nv -S --max-redirect=0 -O "$2" -- "$url" 2>"$temporary/headers"; do
    url=$(awk 'tolower($1) == "location:" { to = $2 } END { print to }' "$temporary/headers")
    [ "$left" -gt 0 ] || fail "cannot get $1"
    left=$((left - 1))
    case $url in
      https://*) ;;
      *) fail "cannot get $1" ;;
    esac
  done
}

sum_of() {
  if have sha256sum; then
    sha256sum <"$1" | cut -d ' ' -f 1
  elif have shasum; then
    shasum -a 256 <"$1" | cut -d ' ' -f 1
  else
    fail "it takes sha256sum or shasum to check the file: install one of them"
  fi
}

# Before anything is fetched that may be for nothing.
require_signature() {
  [ "${TTUN_CHECKSUM_ONLY:-}" != 1 ] || return 0
  [ -n "$SIGNING_KEY" ] ||
    fail "this install.sh has no key to check a release's signature with: take the one of a" \
      "release, or go on with the checksum alone by TTUN_CHECKSUM_ONLY=1"
  have ssh-keygen ||
    fail "it takes ssh-keygen to check the signature: install OpenSSH's client, or go on with" \
      "the checksum alone by TTUN_CHECKSUM_ONLY=1"
}

# SHA256SUMS in the temporary folder is signed by the key of the releases, and for this purpose.
verify_signature() {
  if [ "${TTUN_CHECKSUM_ONLY:-}" = 1 ]; then
    printf 'install.sh: the signature is not checked, for TTUN_CHECKSUM_ONLY is 1\n' >&2
    return
  fi
  get "$base/SHA256SUMS.sig" "$temporary/SHA256SUMS.sig"
  printf 'ttun namespaces="ttun-release" %s\n' "$SIGNING_KEY" >"$temporary/signers"
  if ! ssh-keygen -Y verify -f "$temporary/signers" -I ttun -n ttun-release \
    -s "$temporary/SHA256SUMS.sig" <"$temporary/SHA256SUMS" >"$temporary/said" 2>&1; then
    case $(cat "$temporary/said") in
      *"option -- "*Y*)
        fail "ssh-keygen is too old to check the signature: it takes OpenSSH 8.1 or later, or" \
          "TTUN_CHECKSUM_ONLY=1 to go on with the checksum alone"
        ;;
    esac
    fail "SHA256SUMS at $base has no right signature: somebody may have changed the files there;" \
      "nothing was installed"
  fi
}

# verify NAME: the file of that name in the temporary folder is the one that SHA256SUMS means.
verify() {
  want=$(awk -v name="$1" '$2 == name || $2 == "*" name { print $1; exit }' "$temporary/SHA256SUMS")
  [ ${#want} = 64 ] || fail "SHA256SUMS at $base has no sum of $1"
  got=$(sum_of "$temporary/$1")
  [ "$got" = "$want" ] ||
    fail "$base/$1 is not what SHA256SUMS says: its sum is ${got:-unknown}, not $want;" \
      "nothing was installed"
}

# make_folder FOLDER: remembers what was not there before, to take it back.
make_folder() {
  [ ! -d "$1" ] || return 0
  outermost=$1
  while [ ! -e "$(dirname "$outermost")" ]; do outermost=$(dirname "$outermost"); done
  made=$outermost
  mkdir -p -- "$1" || fail "cannot make the folder $1; TTUN_INSTALL_DIR names another"
}

clean_up() {
  [ -z "$temporary" ] || rm -rf -- "$temporary"
  [ -z "$staged" ] || rm -rf -- "$staged"
  [ -z "$made" ] || [ ! -d "$made" ] || find "$made" -depth -type d -exec rmdir -- {} +
}

install_ttun() {
  version=${TTUN_VERSION:-}
  version=${version#v}
  case $version in
    *[!0-9A-Za-z.+-]*) fail "cannot use $version as TTUN_VERSION: give one as 0.1.0" ;;
  esac
  dir=$(install_dir)
  name=$(file_name)
  base=$(base_url)
  check_url "$base"
  require_signature
  [ ! -d "$dir/ttun" ] || fail "$dir/ttun is a folder: TTUN_INSTALL_DIR names another place"

  temporary='' staged='' made=''
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  temporary=$(mktemp -d) || fail "cannot make a temporary folder"
  get "$base/SHA256SUMS" "$temporary/SHA256SUMS"
  verify_signature
  get "$base/$name" "$temporary/$name"
  verify "$name"

  # In the folder itself, so that the last step is a rename: a ttun that runs is no obstacle. Others
  # who may write there cannot know the name beforehand, nor look into what has it.
  make_folder "$dir"
  if ! staged=$(mktemp -d "$dir/.ttun-XXXXXXXXXX" 2>/dev/null) ||
    ! cp -- "$temporary/$name" "$staged/ttun" 2>/dev/null; then
    fail "cannot write to $dir: run this as root, or name another folder by TTUN_INSTALL_DIR"
  fi
  chmod 755 "$staged/ttun"
  found=$("$staged/ttun" --version </dev/null) ||
    fail "$name does not run here: it is for Linux with glibc, or for macOS; nothing was installed"
  [ -z "$version" ] || [ "$found" = "ttun $version" ] ||
    fail "$base has $found, not $version; nothing was installed"
  mv -f -- "$staged/ttun" "$dir/ttun"
  made=''
  say "installed $found as $dir/ttun"

  case :$PATH: in
    *:"$dir":*) ;;
    *) say "$dir is not in PATH; to change that: export PATH=\"$dir:\$PATH\"" ;;
  esac
}

uninstall_ttun() {
  dir=$(install_dir)
  [ -f "$dir/ttun" ] || fail "there is no $dir/ttun; TTUN_INSTALL_DIR names another folder"
  rm -f -- "$dir/ttun" || fail "cannot remove $dir/ttun"
  say "removed $dir/ttun; keys and what ttun has remembered are left as they are"
}

main() {
  case ${1:-} in
    '') install_ttun ;;
    --uninstall) uninstall_ttun ;;
    -h | --help) say "Usage: sh install.sh [--uninstall]; its first lines say what it does" ;;
    *) fail "cannot take $1: sh install.sh [--uninstall]" ;;
  esac
}

# At the very end: of a script that came only in part nothing runs.
main "$@"
