import { closeSync, readFileSync } from 'node:fs'
import koffi from 'koffi'

/**
 * Who is at the other end of a unix socket, by the kernel's account. It must not decide anything.
 */

/** The process that opened a connection, as it was at that moment. */
export interface PeerProcess {
  readonly uid: number
  /** Its cgroup v2 path without leading slash; empty for the root, and on a host that has no such hierarchy. */
  readonly cgroup: string
}

type SocketCall = (fd: number, level: number, option: number, value: Buffer, length: Uint32Array) => number

const solSocket = 1
/** `SO_PEERCRED` and `SO_PEERPIDFD` (Linux 6.5) of asm-generic/socket.h. */
const soPeercred = 17
const soPeerpidfd = 77
/** sizeof(struct ucred): pid, uid, gid. */
const ucredBytes = 12

let getsockopt: SocketCall | undefined

/**
 * The process behind an accepted unix socket, from its file descriptor. `undefined` when it cannot be told for certain:
 * it has ended, it is hidden by a PID namespace, its cgroup lies outside of what is seen here, or the descriptor is no
 * connected unix socket. Never throws.
 */
export function peerProcess(fd: number): PeerProcess | undefined {
  const value = Buffer.alloc(ucredBytes)
  if (!socketOption(fd, soPeercred, value)) return undefined
  const pid = value.readInt32LE(0)
  const uid = value.readUInt32LE(4)
  if (pid <= 0) return undefined
  const held = Buffer.alloc(4)
  const hasHandle = socketOption(fd, soPeerpidfd, held)
  const handle = hasHandle ? held.readInt32LE(0) : undefined
  try {
    const cgroup = cgroupOf(pid)
    // Numbers of processes are used again: what was read belongs to the peer if that is still there after the reading.
    const same = handle === undefined ? isOfUser(pid, uid) : isProcess(handle, pid)
    return cgroup === undefined || !same ? undefined : { uid, cgroup }
  } catch {
    return undefined
  } finally {
    if (handle !== undefined) closeSync(handle)
  }
}

function socketOption(fd: number, option: number, value: Buffer): boolean {
  // null is the process itself: Node is linked against the libc of the machine, whatever its file is called
  getsockopt ??= koffi.load(null).func('int getsockopt(int, int, int, void *, void *)') as unknown as SocketCall
  return getsockopt(fd, solSocket, option, value, new Uint32Array([value.length])) === 0
}

function cgroupOf(pid: number): string | undefined {
  const path = /^0::\/(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1]
  if (path === undefined) return ''
  return path.split('/').includes('..') ? undefined : path.replace(/ \(deleted\)$/, '')
}

/** Whether a handle is still of a process with this number; -1 stands there when it has ended. */
function isProcess(handle: number, pid: number): boolean {
  return readFileSync(`/proc/self/fdinfo/${handle}`, 'utf8').includes(`\nPid:\t${pid}\n`)
}

/**
 * Before Linux 6.5 there is no handle. A number that was used again between connecting and this moment is noticed
 * when the process is of another user; one user's processes are not kept from each other by the kernel anyway.
 */
function isOfUser(pid: number, uid: number): boolean {
  const ids = /^Uid:\t\d+\t(\d+)\t/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return ids?.[1] === String(uid)
}
