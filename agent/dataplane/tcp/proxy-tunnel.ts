import type { TunnelSettings } from '../../../mesh/routing/cluster.ts'
import type { Clock } from '../../../mesh/std/clock.ts'
import { hostPort } from '../address.ts'
import type { HeaderList, HttpStream } from '../http/stream.ts'
import type { Reason } from '../reasons.ts'
import type { OpenResult } from '../transport/connection-pool.ts'
import { streamCancel } from './splice.ts'

/** A tunnel that the proxy has granted, or why there is none; `status` is what it answered, if it did. */
export type ProxyTunnel =
  | { readonly kind: 'open'; readonly stream: HttpStream }
  | { readonly kind: 'failed'; readonly reason: Reason; readonly detail: string; readonly status?: number }

/** The request for a tunnel (Istio destination_rule.proto, TunnelSettings): CONNECT, or a POST whose bodies are it. */
export function tunnelRequest({ method, host, port }: TunnelSettings): HeaderList {
  const authority = hostPort(host, port)
  return method === 'CONNECT'
    ? [':method', 'CONNECT', ':authority', authority]
    : [':method', 'POST', ':scheme', 'http', ':authority', authority, ':path', '/']
}

/**
 * Waits for the answer of a proxy that was asked by {@link tunnelRequest}: any 2xx grants it. `done` is called once, within
 * `timeoutMs`; in its turn the stream is to be taken over.
 */
export function awaitTunnel(
  result: OpenResult,
  timeoutMs: number,
  clock: Clock,
  done: (tunnel: ProxyTunnel) => void,
): void {
  if (result.kind === 'failed') return done(result)
  const { stream } = result
  let over = false
  const finish = (tunnel: ProxyTunnel) => {
    if (over) return
    over = true
    timer.cancel()
    stream.onHeaders = undefined
    stream.onReset = undefined
    if (tunnel.kind === 'failed') {
      stream.onData = chunk => stream.consumed(chunk.length)
      stream.reset(streamCancel)
    }
    done(tunnel)
  }
  const failed = (reason: Reason, detail: string, status?: number) =>
    finish({ kind: 'failed', reason, detail, ...(status !== undefined && { status }) })
  const timer = clock.timer(timeoutMs, () => failed('UPSTREAM_CONNECT', `no tunnel in ${timeoutMs / 1000} s`))
  stream.onReset = (_code, reason) => failed('UPSTREAM_CONNECT', reason)
  stream.onHeaders = (headers, ended) => {
    const status = Number(headers[1])
    if (status < 200) return
    if (status >= 300) return failed('CONNECT_REFUSED', `the proxy answered ${status}`, status)
    if (ended) return failed('UPSTREAM_CONNECT', 'the proxy ended the tunnel with its answer')
    finish({ kind: 'open', stream })
  }
}
