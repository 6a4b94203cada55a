import type { TrustBundle } from '../../mesh/identity/trust-bundle.ts'
import type { Timer } from '../../mesh/std/clock.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import type { AgentSettings } from '../config.ts'
import type { ConnectOptions } from '../control/dial.ts'
import {
  createServerLink,
  type ServerLink,
  type ServerLinkDeps,
  type ServerLinkOptions,
} from '../control/server-link.ts'
import { connectWs } from '../control/ws.ts'
import type { HeldCertificate } from '../identity/held-certificate.ts'
import { ownAddress } from '../registration/own-address.ts'
import type { Registrations } from '../registration/registrations.ts'
import type { AgentDeps } from './deps.ts'

export interface ServerConnectionDeps extends Omit<ServerLinkDeps, 'connect'> {
  readonly trust: Watch<TrustBundle>
  /** The node's certificate. */
  readonly node: Watch<HeldCertificate>
  readonly registrations: Pick<Registrations, 'locate'>
}

/** The node's new certificate is shown to the server within this time, so that a fleet does not do it at once. */
const reconnectSpreadMs = 60_000

/** Makes the connection to the server that the settings name; it is not begun yet. */
export function createServerConnection(
  { trust, node, registrations, ...deps }: ServerConnectionDeps,
  settings: AgentSettings,
  options: ServerLinkOptions,
): ServerLink {
  const more: Pick<ConnectOptions, 'clock' | 'connectedFrom'> = {
    clock: deps.clock,
    connectedFrom: address => registrations.locate(ownAddress(address)),
  }
  return createServerLink(
    { ...deps, connect: signal => connect(settings, trust.value, node.value, signal, more) },
    options,
  )
}

async function connect(
  settings: AgentSettings,
  { roots, trustDomain }: TrustBundle,
  { key, chain }: HeldCertificate,
  signal: AbortSignal,
  more: Pick<ConnectOptions, 'clock' | 'connectedFrom'>,
) {
  const { host, transport, websocketPort, grpcPort } = settings.server
  const options = { host, roots, key, chain, trustDomain, ...more }
  if (transport === 'websocket') return connectWs({ ...options, port: websocketPort }, signal)
  // Loaded when it is used only: it is the largest library of all.
  const { connectGrpc } = await import('../control/grpc.ts')
  return connectGrpc({ ...options, port: grpcPort }, signal)
}

/** The server knows this agent by the certificate its session began with: a new one needs a new session. */
export function reconnectOnRenewal(
  deps: Pick<AgentDeps, 'clock' | 'random'>,
  node: Watch<HeldCertificate>,
  link: Pick<ServerLink, 'reconnect'>,
): () => void {
  let timer: Timer | undefined
  const unsubscribe = node.subscribe(() => {
    timer?.cancel()
    const delayMs = deps.random() * reconnectSpreadMs
    timer = deps.clock.timer(delayMs, () => link.reconnect('the node certificate was renewed'))
  })
  return () => {
    timer?.cancel()
    unsubscribe()
  }
}
