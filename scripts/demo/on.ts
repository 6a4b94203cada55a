import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Mesh } from '../../test/netns/mesh.ts'
import { inUserNamespace } from './user-namespace.ts'

const cli = join(import.meta.dirname, '../../cli/main.ts')

/**
 * Writes `on HOST WORKLOAD COMMAND...`, by which a person runs commands on a host of the demo from any terminal, as one
 * of its workloads or as `-` for none; gives its path.
 */
export function writeOn(mesh: Mesh<'h1' | 'h2' | 'h3' | 'out'>): string {
  const { h1 } = mesh.hosts
  const cgroups = h1.makeCgroup('').replace(/\/h1\/?$/, '')
  const at = (name: string) => join(mesh.directory, name)
  mkdirSync(at('bin'))
  writeScript(
    at('bin/weft'),
    `#!/bin/sh
[ -n "$WEFT_TOKEN" ] || WEFT_TOKEN=$(cat '${at('server/admin-token')}')
export WEFT_TOKEN
exec '${process.execPath}' --disable-warning=ExperimentalWarning '${cli}' "$@"
`,
  )
  // an ordinary user's demo is in namespaces of its own, and its cgroups are open only to what systemd put beside them
  const enter = inUserNamespace()
    ? `if [ -z "$WEFT_DEMO_ENTERED" ]; then
  export WEFT_DEMO_ENTERED=1
  set -- nsenter --target ${process.pid} --user --mount --preserve-credentials "$0" "$@"
  if systemd-run --user --scope --quiet true 2>/dev/null; then set -- systemd-run --user --scope --quiet "$@"; fi
  exec "$@"
fi
`
    : ''
  writeScript(
    at('on'),
    `#!/bin/sh
# on HOST WORKLOAD COMMAND...: runs a command on a host of the demo as one of its workloads, or as - for none
if [ $# -lt 3 ]; then echo 'usage: on HOST WORKLOAD COMMAND..., for example: on h1 web curl http://api.default.mesh/' >&2; exit 2; fi
${enter}host=$1 workload=$2; shift 2
case $workload in
  -) cgroup=user.slice ;;
  *) cgroup=system.slice/$workload.service ;;
esac
[ -e "/run/netns/${h1.namespace.replace(/h1$/, '')}$host" ] || { echo "on: the demo has no host $host, or has ended" >&2; exit 2; }
mkdir -p "${cgroups}/$host/$cgroup"
export PATH="${at('bin')}:$PATH:/usr/sbin:/sbin"
exec nsenter --net="/run/netns/${h1.namespace.replace(/h1$/, '')}$host" unshare --mount --propagation slave sh -c '
  echo 0 >"$1/cgroup.procs" || { echo "on: run this as the user and from the login that runs the demo" >&2; exit 125; }
  if [ -e "$2" ]; then mount --bind "$2" /etc/resolv.conf || exit 125; fi
  shift 2; exec "$@"
' on "${cgroups}/$host/$cgroup" "${mesh.directory}/$host.resolv.conf" "$@"
`,
  )
  return at('on')
}

function writeScript(path: string, text: string): void {
  writeFileSync(path, text)
  chmodSync(path, 0o755)
}
