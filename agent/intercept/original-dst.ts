import koffi from 'koffi'

/**
 * Where a redirected connection was going. This is the only place that calls into libc; it must not decide anything.
 */

/** An address and port a caller really dialled: IPv4 dotted, or IPv6 in Node's own spelling. */
export interface OriginalDst {
  readonly address: string
  readonly port: number
}

type SocketCall = (fd: number, level: number, option: number, value: Buffer, length: Uint32Array) => number
type NameCall = (fd: number, value: Buffer, length: Uint32Array) => number

interface Libc {
  readonly getsockopt: SocketCall
  readonly getsockname: NameCall
}

const ipprotoIp = 0
const ipprotoIpv6 = 41
/** `SO_ORIGINAL_DST` of linux/netfilter_ipv4.h; `IP6T_SO_ORIGINAL_DST` has the same number. */
const soOriginalDst = 80
const afInet6 = 10
/** sizeof(struct sockaddr_in6): big enough for both families. */
const sockaddrBytes = 28

// One set of buffers per thread: the calls are synchronous, so nobody else can be using them.
const asked = Buffer.alloc(sockaddrBytes)
const local = Buffer.alloc(sockaddrBytes)
const length = new Uint32Array(1)
let libc: Libc | undefined

/**
 * The destination a connection had before netfilter redirected it, from conntrack by `getsockopt(SO_ORIGINAL_DST)`.
 * Takes the accepted socket's file descriptor and the family the peer used (4 also for an IPv4 peer on a dual-stack
 * socket). Gives `undefined` when the connection was not redirected, which includes connections that conntrack does
 * not know and descriptors that are no connected socket. One call costs about two system calls; it never throws.
 */
export function originalDst(fd: number, family: 4 | 6): OriginalDst | undefined {
  libc ??= loadLibc()
  length[0] = sockaddrBytes
  if (libc.getsockopt(fd, family === 4 ? ipprotoIp : ipprotoIpv6, soOriginalDst, asked, length) !== 0) return undefined
  length[0] = sockaddrBytes
  if (libc.getsockname(fd, local, length) !== 0) return undefined
  // conntrack also answers for connections that came straight here, with the address they came to
  if (sameAddress(family)) return undefined
  return { address: family === 4 ? ipv4At(asked, 4) : ipv6At(asked, 8), port: asked.readUInt16BE(2) }
}

function loadLibc(): Libc {
  // null is the process itself: Node is linked against the libc of the machine, whatever its file is called
  const self = koffi.load(null)
  return {
    getsockopt: self.func('int getsockopt(int, int, int, void *, void *)') as unknown as SocketCall,
    getsockname: self.func('int getsockname(int, void *, void *)') as unknown as NameCall,
  }
}

/** Whether {@link asked} names the same address and port as {@link local}. */
function sameAddress(family: 4 | 6): boolean {
  if (asked.readUInt16BE(2) !== local.readUInt16BE(2)) return false
  if (family === 6) return asked.compare(local, 8, 24, 8, 24) === 0
  // a dual-stack socket's own name is v4-mapped: the last four of its sixteen bytes
  const at = local.readUInt16LE(0) === afInet6 ? 20 : 4
  return asked.compare(local, at, at + 4, 4, 8) === 0
}

function ipv4At(bytes: Buffer, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`
}

/** RFC 5952 text of the sixteen bytes at `at`: the spelling that the rest of the program compares by. */
function ipv6At(bytes: Buffer, at: number): string {
  const groups: number[] = []
  for (let index = 0; index < 8; index += 1) groups.push(bytes.readUInt16BE(at + index * 2))
  const run = longestZeroRun(groups)
  const text = groups.map(group => group.toString(16))
  if (run.length < 2) return text.join(':')
  return `${text.slice(0, run.start).join(':')}::${text.slice(run.start + run.length).join(':')}`
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start += 1) {
    let end = start
    while (groups[end] === 0) end += 1
    if (end - start > best.length) best = { start, length: end - start }
  }
  return best
}
