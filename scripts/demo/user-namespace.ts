import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { cgroupBase } from '../../test/netns/cgroups.ts'

/** Set in the run that is inside of a user namespace already. */
const marker = 'WEFT_DEMO_INSIDE'

/** True when this process may not make network namespaces by itself. */
export function needsUserNamespace(): boolean {
  return process.getuid?.() !== 0 && !inUserNamespace()
}

/** True in the run that {@link runInUserNamespace} has started. */
export function inUserNamespace(): boolean {
  return process.env[marker] !== undefined
}

/**
 * Runs the demo again as the root of a user namespace of its own, in a cgroup that this user may divide; resolves to
 * its exit status. Where the kernel or the system does not permit that, says what to do and gives 1.
 */
export async function runInUserNamespace(): Promise<number> {
  const unshare = ['unshare', '--user', '--map-root-user', '--net', '--mount', 'sh', '-ec']
  // ip netns wants to write to /run, iptables its lock
  const enter = 'mount -t tmpfs tmpfs /run && exec "$@"'
  const probe = spawnSync('unshare', [...unshare.slice(1), enter, 'sh', 'true'])
  if (probe.status !== 0) return refuse('this system does not let you make user namespaces')
  const scope = mayDivideOwnCgroup() ? [] : systemdScope()
  if (scope === undefined) return refuse('you have no cgroup of your own here, as a login under systemd gives one')
  console.log('not root: the demo runs in a user namespace')
  const [file = '', ...args] = [...scope, ...unshare, enter, 'sh', process.execPath, ...process.argv.slice(1)]
  const child = spawn(file, args, { stdio: 'inherit', env: { ...process.env, [marker]: '1' } })
  // Ctrl-C reaches the child by itself; this process stays until the child has cleaned up
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  return await new Promise(resolve => {
    child.once('error', error => resolve(refuse(error.message)))
    child.once('exit', code => resolve(code ?? 1))
  })
}

/** By systemd a user gets a cgroup to divide; undefined where that does not work. */
function systemdScope(): readonly string[] | undefined {
  const scope = ['systemd-run', '--user', '--scope', '--quiet', '--property', 'Delegate=yes']
  const [file = '', ...args] = scope
  return spawnSync(file, [...args, 'true']).status === 0 ? scope : undefined
}

function mayDivideOwnCgroup(): boolean {
  try {
    accessSync(cgroupBase(), constants.W_OK)
    accessSync(join(cgroupBase(), 'cgroup.procs'), constants.W_OK)
    return true
  } catch {
    return false
  }
}

function refuse(why: string): number {
  console.error(`the demo makes network namespaces, and ${why}. Run it as root: sudo npm run demo`)
  return 1
}
