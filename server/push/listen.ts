import { constants } from 'node:crypto'
import type { AddressInfo, Socket } from 'node:net'
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { spkiHash } from '../../mesh/identity/keys.ts'
import { parseSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import { peerSpiffeId } from '../../mesh/identity/verify.ts'
import { parseCertificate, publicKeyOf } from '../../mesh/identity/x509.ts'
import { type Clock, clampTimerMs, systemClock, type Timer } from '../../mesh/std/clock.ts'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import type { Running } from '../../mesh/std/lifecycle.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import type { Channel } from '../../mesh/wire/channel.ts'
import type { AgentMessage, ServerMessage } from '../../mesh/wire/messages.ts'

const handshakeTimeoutMs = 5_000
const stopGraceMs = 1_000
const defaultMaxConnections = 10_000

/** What the server presents and whom it believes, PEM. Empty roots believe nobody. */
export interface ListenCredentials {
  readonly roots: readonly string[]
  readonly key: string
  /** Leaf first. */
  readonly chain: string
}

export interface ListenOptions {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  /** Followed: connections that come later are met with the later value. */
  readonly credentials: Watch<ListenCredentials>
  readonly trustDomain: string
  readonly log: Log
  readonly clock?: Clock
  /** Further connections are dropped unanswered; 10 000 when left out. */
  readonly maxConnections?: number
}

/** What an agent's certificate proves, and where the agent called from. */
export interface AgentCertificate {
  readonly id: string
  readonly serial: string
  /** SHA-256 of its public key (SPKI), hex. */
  readonly keyHash: string
  /** Milliseconds since 1970; the connection ends by then. */
  readonly notAfter: number
  readonly remoteAddress: string
}

/** Called for each agent whose certificate was accepted; `node` is from the certificate and nowhere else. */
export type OnAgent = (
  channel: Channel<AgentMessage, ServerMessage>,
  node: string,
  certificate: AgentCertificate,
) => void

/** A connection on which nothing was read yet but the TLS handshake of an agent of the mesh. */
export interface AgentConnection {
  readonly socket: TLSSocket
  readonly node: string
  readonly certificate: AgentCertificate
  /** To be called once the agent has asked for its session; a connection that does not come so far is dropped. */
  established(): void
}

/**
 * Listens for agents: TLS 1.3 with a client certificate of the mesh that names an agent, one ALPN protocol, no session
 * tickets (a resumed session would carry an identity past a change of trust). Everything else is dropped before a byte
 * of the protocol inside is read. Throws WEFT_LISTEN.
 */
export async function listenForAgents(
  options: ListenOptions,
  alpn: 'http/1.1' | 'h2',
  accept: (connection: AgentConnection) => void,
): Promise<Running> {
  const { credentials, log, clock = systemClock } = options
  const sockets = new Set<Socket>()
  const server = createServer({
    ...contextOptions(credentials.value),
    ALPNProtocols: [alpn],
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: handshakeTimeoutMs,
  })
  server.maxConnections = options.maxConnections ?? defaultMaxConnections
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('tlsClientError', (error, socket) => {
    log.debug('connection refused', { peer: socket.remoteAddress, error: describeError(error) })
  })
  server.on('secureConnection', socket => {
    // Resets and half-written records are the peer's affair; 'close' follows, and whoever owns the socket sees that.
    socket.on('error', error => log.debug('connection failed', { error: describeError(error) }))
    try {
      if (socket.alpnProtocol !== alpn) throw new MeshError('WEFT_WIRE', 'client does not speak this protocol')
      accept(admit(socket, options.trustDomain, clock))
    } catch (error) {
      log.warn('client is not an agent of this mesh', { peer: socket.remoteAddress, error: describeError(error) })
      socket.destroy()
    }
  })
  const unfollow = credentials.subscribe(next => {
    try {
      server.setSecureContext(contextOptions(next))
    } catch (error) {
      log.error('new server certificate is unusable, the last one stays', { error: describeError(error) })
    }
  })
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: options.host, port: options.port }, () => {
        server.off('error', reject)
        resolve()
      })
    })
  } catch (cause) {
    unfollow()
    const fields = { host: options.host, port: options.port }
    throw new MeshError('WEFT_LISTEN', 'could not listen for agents', { fields, cause })
  }
  server.on('error', error => log.error('listener for agents failed', { error: describeError(error) }))
  const closed = new Promise<void>(resolve => server.once('close', resolve))
  return {
    addresses: { control: formatAddress(server.address()) },
    async stop() {
      unfollow()
      server.close()
      const timer = clock.timer(stopGraceMs, () => {
        for (const socket of sockets) socket.destroy()
      })
      await closed
      timer.cancel()
    },
  }
}

function contextOptions(credentials: ListenCredentials): TlsOptions {
  return {
    ca: [...credentials.roots],
    key: credentials.key,
    cert: credentials.chain,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}

function admit(socket: TLSSocket, trustDomain: string, clock: Clock): AgentConnection {
  if (!socket.authorized || socket.isSessionReused()) {
    throw new MeshError('WEFT_CERTIFICATE_REFUSED', 'client certificate was not verified')
  }
  const { raw } = socket.getPeerCertificate()
  const { node, certificate } = agentOf(raw, trustDomain, socket.remoteAddress ?? '')
  let timer = clock.timer(handshakeTimeoutMs, () => socket.destroy())
  socket.once('close', () => timer.cancel())
  return {
    socket,
    node,
    certificate,
    established() {
      timer.cancel()
      timer = expiry(socket, certificate.notAfter, clock, next => {
        timer = next
      })
    },
  }
}

/** The agent that a leaf certificate (DER, its chain already verified) names; throws when it names none. */
export function agentOf(
  leaf: Buffer,
  trustDomain: string,
  remoteAddress: string,
): { readonly node: string; readonly certificate: AgentCertificate } {
  const text = peerSpiffeId(leaf, trustDomain)
  const id = parseSpiffeId(text)
  if (id.kind !== 'agent') {
    throw new MeshError('WEFT_PEER_IDENTITY', 'certificate is not an agent’s', {
      fields: { expected: 'agent', got: text },
    })
  }
  const parsed = parseCertificate(leaf)
  const { serial, notAfter } = parsed
  const keyHash = spkiHash(publicKeyOf(parsed))
  return { node: id.node, certificate: { id: text, serial, keyHash, notAfter, remoteAddress } }
}

/** Ends a connection when its certificate does; looks again where that is further away than a timer can hold. */
function expiry(socket: TLSSocket, notAfter: number, clock: Clock, again: (timer: Timer) => void): Timer {
  return clock.timer(clampTimerMs(notAfter - clock.now()), () => {
    if (clock.now() >= notAfter) socket.destroy()
    else again(expiry(socket, notAfter, clock, again))
  })
}

function formatAddress(address: AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') return address ?? ''
  return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`
}
