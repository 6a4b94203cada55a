import { connect, type Socket } from 'node:net'
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls'
import type { Clock } from '../../../mesh/std/clock.ts'
import { describeError } from '../../../mesh/std/errors.ts'
import { hostPort, plainAddress } from '../address.ts'
import type { LocalAddress } from '../delivery.ts'
import type { HttpClientConnection } from '../http/stream.ts'
import type { Cancellable, Dialled } from './connection-pool.ts'

export interface DialOptions {
  readonly to: LocalAddress['connect']
  readonly timeoutMs: number
  /** Silence after which the kernel asks for a sign of life. */
  readonly keepAliveMs?: number | undefined
  /** With it, TLS is spoken, and the connection is good once the handshake is. */
  readonly tls?: ConnectionOptions | undefined
  /** What the connection begins with, before TLS. */
  readonly preamble?: Buffer | undefined
}

/** A connected socket, or why there is none. */
export type DialledSocket =
  | { readonly kind: 'connected'; readonly socket: Socket; readonly localAddress: string }
  | Extract<Dialled, { kind: 'failed' }>

/**
 * Connects to an application. `done` is called once, with what `speak` made of the paused socket or with why there is
 * none, and not after `cancel`.
 */
export function dial(
  options: DialOptions,
  clock: Clock,
  speak: (socket: Socket) => HttpClientConnection,
  done: (result: Dialled) => void,
): Cancellable {
  return dialSocket(options, clock, result => {
    if (result.kind === 'failed') return done(result)
    const { socket, localAddress } = result
    done({ kind: 'connected', connection: speak(socket), localAddress })
  })
}

/**
 * Connects to an application. `done` is called once, with the paused socket, or with why there is none, and not after
 * `cancel`. What happens to the socket is its taker's to hear, from the same turn on.
 */
export function dialSocket(options: DialOptions, clock: Clock, done: (result: DialledSocket) => void): Cancellable {
  const { to, timeoutMs, keepAliveMs, tls, preamble } = options
  const tcp = {
    ...to,
    allowHalfOpen: true,
    noDelay: true,
    ...(keepAliveMs === undefined ? {} : { keepAlive: true, keepAliveInitialDelay: keepAliveMs }),
  }
  let over = false
  let reached = false
  // TLS whose handshake is not the first thing to be sent is begun on a socket that is connected
  let socket: Socket = tls === undefined || preamble !== undefined ? connect(tcp) : tlsConnect({ ...tcp, ...tls })
  // TLS reads by itself
  if (tls === undefined) socket.pause()
  const fail = (detail: string) => {
    if (over) return
    close()
    done({ kind: 'failed', reason: reached ? 'UPSTREAM_TLS' : 'UPSTREAM_CONNECT', detail })
  }
  const close = () => {
    over = true
    timer.cancel()
    socket.off('error', onError)
    socket.on('error', () => {})
    socket.destroy()
  }
  const onError = (error: Error) => fail(describeError(error))
  const watch = () => {
    socket.on('error', onError)
    socket.once('close', () => fail('closed during the handshake'))
    if (tls !== undefined) socket.once('secureConnect', onGood)
  }
  const onGood = () => {
    if (over) return
    over = true
    timer.cancel()
    const { localAddress, localPort } = socket
    const local = localAddress === undefined ? '' : hostPort(plainAddress(localAddress), localPort ?? 0)
    done({ kind: 'connected', socket, localAddress: local })
    socket.off('error', onError)
  }
  const timer = clock.timer(timeoutMs, () => fail(`no answer in ${timeoutMs / 1000} s`))
  watch()
  socket.once('connect', () => {
    reached = true
    if (preamble !== undefined) socket.write(preamble)
    if (tls === undefined) return onGood()
    if (preamble === undefined) return
    const secure = { ...tls, socket, allowHalfOpen: true }
    socket = tlsConnect(secure)
    watch()
  })
  return {
    cancel() {
      if (!over) close()
    },
  }
}
