import type { Duplex } from 'node:stream'
import { connectLocal } from '../inbound.ts'
import { withPolicyOf } from '../policy/calls.ts'
import { LiveConnection, refusalOf } from '../policy/connections.ts'
import type { Reason } from '../reasons.ts'
import type { LocalTarget } from '../table.ts'
import { type JoinableStream, join } from '../tcp/join.ts'
import { resetSocket } from '../tcp/reset.ts'
import type { ConnectionFacts, ConnectionRecord } from '../telemetry/telemetry.ts'
import type { HboneState, InboundPeer } from './inbound-requests.ts'

/**
 * Carries a tunnel that was granted before it was known what is in it, and in which there are no requests: judged as a
 * connection, then joined with the local process. `refuse` is called once if it comes to nothing; the socket is destroyed.
 */
export function carryBytes(
  state: Pick<HboneState, 'table' | 'telemetry' | 'clock' | 'liveCalls'>,
  socket: JoinableStream & Duplex,
  peer: InboundPeer,
  accepted: LocalTarget,
  facts: ConnectionFacts,
  refuse: (reason: Reason, detail: string) => void,
): void {
  const { telemetry, liveCalls, clock, table } = state
  const since = clock.monotonic()
  const target = withPolicyOf(table, accepted)
  const end = (reason: Reason, detail: string) => {
    liveCalls.delete(live)
    connecting?.cancel()
    if (record === undefined) refuse(reason, detail)
    else record.end(reason, detail)
    socket.destroy()
  }
  let record: ConnectionRecord | undefined
  let connecting: { cancel(): void } | undefined
  const live = new LiveConnection(peer, target, target.policy.prepared, end)
  const refusal = refusalOf(peer, target, facts, telemetry)
  if (refusal !== undefined) return end('AUTHORIZATION_DENIED', refusal)
  liveCalls.add(live)
  const onLost = () => end('CLIENT_RESET', '')
  socket.once('close', onLost)
  connecting = connectLocal(target, state, (local, detail) => {
    socket.off('close', onLost)
    if (local === undefined) return end('LOCAL_CONNECT', detail)
    if (socket.destroyed) return resetSocket(local)
    const { host: service, name: serviceName, namespace: serviceNamespace } = target.service
    const counters = telemetry.metrics.counters({
      ...{ reporter: 'destination', source: peer.labels, destination: target.labels, security: 'mutual_tls' },
      ...{ service, serviceName, serviceNamespace },
    })
    const opened = telemetry.open(facts, counters, since)
    record = opened
    join(socket, local, (how, why, sent, received) => {
      liveCalls.delete(live)
      opened.sent(sent)
      opened.received(received)
      opened.end(how === 'ok' ? 'OK' : how === 'socket-reset' ? 'CLIENT_RESET' : 'UPSTREAM_RESET', why)
    })
  })
}
