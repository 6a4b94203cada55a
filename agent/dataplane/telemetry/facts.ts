import type { Socket } from 'node:net'
import { hostPort, plainAddress } from '../address.ts'
import type { ConnectionFacts } from './telemetry.ts'

/** What is known of a connection before anything was decided: where it comes from. */
export function factsOf(direction: ConnectionFacts['direction'], sourceAddress: string): ConnectionFacts {
  return {
    direction,
    sourceAddress,
    sourceIdentity: '',
    sourceWorkload: direction === 'inbound' ? 'unknown' : '',
    destinationAddress: '',
    destinationService: '',
    destinationIdentity: '',
    destinationWorkload: '',
    hboneAddress: '',
    policy: '',
    audit: '',
    dryRun: '',
  }
}

/** `ip:port` of the other side, as logs show it; empty when the socket has forgotten it. */
export function peerAddressOf(socket: Socket): string {
  const { remoteAddress, remotePort } = socket
  return remoteAddress === undefined ? '' : hostPort(plainAddress(remoteAddress), remotePort ?? 0)
}

/** Both ends of a connection: the other side may use one port of its own for several addresses of this host. */
export function endsOf(socket: Socket): string {
  return `${peerAddressOf(socket)} ${socket.localAddress} ${socket.localPort}`
}
