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
}

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
  const { to, timeoutMs, keepAliveMs, tls } = options
  const tcp = {
    ...to,
    allowHalfOpen: true,
    noDelay: true,
    ...(keepAliveMs === undefined ? {} : { keepAlive: true, keepAliveInitialDelay: keepAliveMs }),
  }
  let over = false
  let connected = false
  const socket = tls === undefined ? connect(tcp) : tlsConnect({ ...tcp, ...tls })
  if (tls === undefined) socket.pause()
  const fail = (detail: string) => {
    if (over) return
    close()
    done({ kind: 'failed', reason: connected ? 'UPSTREAM_TLS' : 'UPSTREAM_CONNECT', detail })
  }
  const close = () => {
    over = true
    timer.cancel()
    socket.off('error', onError)
    socket.on('error', () => {})
    socket.destroy()
  }
  const onError = (error: Error) => fail(describeError(error))
  const timer = clock.timer(timeoutMs, () => fail(`no answer in ${timeoutMs / 1000} s`))
  socket.on('error', onError)
  socket.once('close', () => fail('closed during the handshake'))
  socket.once('connect', () => {
    connected = true
  })
  socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
    if (over) return
    over = true
    timer.cancel()
    const { localAddress, localPort } = socket
    const local = localAddress === undefined ? '' : hostPort(plainAddress(localAddress), localPort ?? 0)
    const connection = speak(socket)
    socket.off('error', onError)
    done({ kind: 'connected', connection, localAddress: local })
  })
  return {
    cancel() {
      if (!over) close()
    },
  }
}
