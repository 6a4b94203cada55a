import { spawnSync } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cgroupRoot } from '../../test/netns/cgroups.ts'

/** Set in the run that is inside of a user namespace already. */
const marker = 'WEFT_DEMO_INSIDE'

/** True when this process may not make network namespaces by itself. */
export function needsUserNamespace(): boolean {
  return process.getuid?.() !== 0 && process.env[marker] === undefined
}

/**
 * Runs the demo again as the root of a user namespace of its own, in a cgroup that this user may divide; returns its
 * exit status. Where the kernel or the system does not permit that, says what to do and returns 1.
 */
export function runInUserNamespace(): number {
  const demo = [process.execPath, ...process.argv.slice(1)]
  const inside = ['unshare', '--user', '--map-root-user', '--net', '--mount', 'sh', '-ec']
  const probe = spawnSync('unshare', [...inside.slice(1), 'true'])
  if (probe.status !== 0) return refuse('the kernel does not let you make user namespaces')
  // ip netns wants to write to /run, iptables its lock
  const script = 'mount -t tmpfs tmpfs /run && exec "$@"'
  const command = [...inside, script, 'sh', ...demo]
  const [file = '', ...args] = ownCgroupIsOurs() ? command : [...scope(), ...command]
  if (file === '') return refuse('no cgroup of your own was found')
  console.log('not root: running in a user namespace')
  return spawnSync(file, args, { stdio: 'inherit', env: { ...process.env, [marker]: '1' } }).status ?? 1
}

/** By systemd, a user may have a cgroup to divide. */
function scope(): readonly string[] {
  const probe = spawnSync('systemd-run', ['--user', '--scope', '--quiet', '-p', 'Delegate=yes', 'true'])
  return probe.status === 0 ? ['systemd-run', '--user', '--scope', '--quiet', '-p', 'Delegate=yes'] : []
}

function ownCgroupIsOurs(): boolean {
  try {
    const path = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/'
    accessSync(join(cgroupRoot(), path, 'cgroup.procs'), constants.W_OK)
    accessSync(join(cgroupRoot(), path), constants.W_OK)
    return true
  } catch {
    return false
  }
}

function refuse(why: string): number {
  console.error(`the demo needs network namespaces, and ${why}: run it as root, sudo npm run demo`)
  return 1
}
