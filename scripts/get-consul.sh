#!/usr/bin/env bash
# get-consul.sh [DIR]: puts a real Consul (1.8.7, of Debian's bullseye suite) at DIR/consul and prints that path; for
# tests and the demo. Later Debian suites carry no Consul. It uses the Debian mirror and the archive keyring that the
# machine has already (apt verifies the signatures), in an apt state of its own: the machine's package lists and
# sources stay as they are, and nothing is installed.
set -euo pipefail

dir=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/weft/consul-1.8.7}
if [[ -x $dir/consul ]]; then
  echo "$dir/consul"
  exit 0
fi

fail() {
  echo "get-consul: $1" >&2
  exit 1
}

command -v apt-get >/dev/null || fail "this needs apt (Debian); put a consul binary at $dir/consul instead"
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' |
  awk '$2 !~ /security|updates|backports/ && $1 ~ /debian\/?$/ { print $1; exit }')
[[ -n $mirror ]] || fail "no Debian mirror among apt's sources; run apt-get update first"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work/lists/partial"
cat >"$work/bullseye.sources" <<SOURCES
Types: deb
URIs: $mirror
Suites: bullseye
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES

own_apt() {
  (cd "$work" && apt-get -q -o Dir::Etc::sourcelist="$work/bullseye.sources" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$work/lists" "$@") >>"$work/log" 2>&1 || {
    tail -3 "$work/log" >&2
    fail "apt-get $1 failed"
  }
}
own_apt update
own_apt download consul
dpkg -x "$work"/consul_*.deb "$work/root"
mkdir -p "$dir"
install -m 755 "$work/root/usr/bin/consul" "$dir/consul.tmp"
mv "$dir/consul.tmp" "$dir/consul"
"$dir/consul" version >/dev/null || fail "the consul that was fetched does not run"
echo "$dir/consul"
