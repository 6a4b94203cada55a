import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '../../../mesh/std/clock.ts'
import { type ClientHello, looksLikeTls, maxHelloBytes, readClientHello } from './client-hello.ts'
import { detectProtocol, type Protocol } from './protocol.ts'

/** What a connection turned out to be. The bytes are still in the socket: whoever reads next gets all of them. */
export interface Peeked {
  readonly protocol: Protocol
  /** Of TLS: what the client asks for, where it could be read. */
  readonly hello: ClientHello | undefined
  /**
   * Why it is so: the bytes said it, the client was silent too long, or it ended before it could be told. `nothing`: it
   * ended or was lost without a byte, and there is no `end` event left for who reads next.
   */
  readonly by: 'bytes' | 'timeout' | 'end' | 'nothing'
}

/** How long a client may say nothing where it has to speak first: as long as an HTTP connection may be unused. */
export const silentMs = 60 * 60_000

/** How long one that has begun may take until it can be told: as long as for a request's head. */
const undecidedMs = 10_000

/**
 * Waits for as many first bytes as tell what a client speaks, and leaves them in the socket, which must be paused and
 * read by nobody. A client that is silent for `timeoutMs` is `other`: it may wait for its server. So is one that has
 * begun and goes on too slowly. `done` is called once, not before this has returned, and not after `cancel`. With
 * {@link detectTls} everything but TLS is `other`, and is so at its first byte.
 */
export function peek(
  socket: Duplex,
  clock: Clock,
  timeoutMs: number,
  done: (peeked: Peeked) => void,
  detect: (first: Buffer) => Protocol | 'more' = detectProtocol,
): { cancel(): void } {
  let timer: Timer | undefined
  let seen = 0
  let begun = false
  let over = false
  let cancelled = false

  const stop = () => {
    over = true
    timer?.cancel()
    socket.off('readable', onReadable)
    socket.off('close', onLost)
  }
  const finish = (peeked: Peeked) => {
    if (over) return
    stop()
    // the stream notices that its `readable` listener is gone in the next tick; whoever reads next comes after that
    process.nextTick(() => {
      if (!cancelled) done(peeked)
    })
  }
  const onReadable = () => {
    const { readableLength } = socket
    if (readableLength > seen) {
      const first: unknown = socket.read(readableLength)
      if (!Buffer.isBuffer(first)) return
      seen = first.length
      socket.unshift(first)
      const peeked = judge(first, detect)
      if (peeked !== undefined) return finish(peeked)
      if (!begun && timeoutMs > undecidedMs) wait(undecidedMs)
      begun = true
    }
    if (hasEnded(socket)) onLost()
  }
  const onLost = () => finish(told('other', socket.readableLength > 0 ? 'end' : 'nothing'))

  socket.on('readable', onReadable)
  socket.on('close', onLost)
  // stays: nothing that happens to a socket may end the thread
  socket.on('error', onLost)
  // a thread that was busy for so long has not looked at the socket yet: what is there by now counts
  const onTimeout = () => setImmediate(() => finish(told('other', 'timeout')))
  const wait = (ms: number) => {
    timer?.cancel()
    timer = clock.timer(ms, onTimeout)
  }
  wait(timeoutMs)
  return {
    cancel() {
      cancelled = true
      stop()
    },
  }
}

/** Tells TLS from everything else. */
export function detectTls(first: Buffer): Protocol | 'more' {
  const tls = looksLikeTls(first)
  if (tls === 'yes') return 'tls'
  return tls === 'no' ? 'other' : 'more'
}

/** What the bytes say, undefined while they do not say it. */
function judge(first: Buffer, detect: (first: Buffer) => Protocol | 'more'): Peeked | undefined {
  const protocol = detect(first)
  if (protocol === 'more') return undefined
  if (protocol !== 'tls') return told(protocol, 'bytes')
  const hello = readClientHello(first.length > maxHelloBytes ? first.subarray(0, maxHelloBytes) : first)
  if (hello === 'more') return undefined
  return { protocol, hello: hello === 'malformed' ? undefined : hello, by: 'bytes' }
}

function told(protocol: Protocol, by: Peeked['by']): Peeked {
  return { protocol, hello: undefined, by }
}

/**
 * Whether the client has ended its side while its last bytes are still unread; a field that Node has but does not
 * document. The `end` event must not be waited for: it would come only once, to us and not to who reads next.
 */
function hasEnded(socket: Duplex): boolean {
  const { _readableState: state } = socket as unknown as { readonly _readableState?: { readonly ended?: boolean } }
  return state?.ended === true
}
