import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { describeError } from '../../../mesh/std/errors.ts'
import { ConnectionLimit } from '../connection-limit.ts'
import type { Reason } from '../reasons.ts'
import { endsOf, factsOf, peerAddressOf } from '../telemetry/facts.ts'
import { meshTls, type TlsContexts } from '../tls-contexts.ts'
import type { HboneState } from './inbound-requests.ts'
import type { HboneServer } from './server.ts'
import { sessionAlpns, sessionSettings } from './settings.ts'

const handshakeTimeoutMs = 5_000
/** Handshakes that are under way at once, in all and of one address: each costs a signature and several kilobytes. */
const maxHandshakes = 1_000
const maxHandshakesPerSource = 100

const unknownIdentity = 'no workload of this host has this identity'

/** The socket that other agents connect to. */
export interface HboneListener {
  readonly server: Server
  /** Takes over new contexts: connections that come later are met with them. */
  present(contexts: TlsContexts): void
}

/**
 * Listens for other agents: mutual TLS 1.3 with a certificate of the mesh and HTTP/2 agreed on, whatever else comes is
 * refused with one line in the log. `track` is told of every connection, and says false to those that are too many.
 */
export function createHboneListener(
  state: HboneState,
  hbone: HboneServer,
  track: (socket: Socket) => boolean,
): HboneListener {
  const handshakes = new ConnectionLimit(maxHandshakes, maxHandshakesPerSource)
  const refuse = (peer: string, reason: Reason, detail: string) => {
    state.telemetry.refuse(factsOf('inbound', peer), reason, detail, state.clock.monotonic())
  }
  const tls = createTlsServer({
    ...meshTls,
    ALPNProtocols: [...sessionAlpns],
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: handshakeTimeoutMs,
    SNICallback: (serverName, done) => {
      const context = state.contexts.forServerName(serverName)
      if (context === undefined) return done(new Error(unknownIdentity))
      done(null, context.secureContext)
    },
  })
  const underWay = new Map<string, () => void>()
  tls.on('secureConnection', (socket: TLSSocket & { readonly servername?: string | false }) => {
    // Until the session takes over; nothing that happens on a socket may end the thread.
    socket.on('error', () => {})
    const peer = peerAddressOf(socket)
    underWay.get(endsOf(socket))?.()
    const asked = typeof socket.servername === 'string' ? socket.servername : ''
    const context = state.contexts.forServerName(asked)
    const problem = context === undefined ? wrongWorkload : problemOf(socket)
    if (context !== undefined && problem === undefined) return hbone.accept(socket, context)
    if (problem !== undefined) refuse(peer, ...problem)
    socket.destroy()
  })
  tls.on('tlsClientError', (error, socket) => {
    refuse(peerAddressOf(connectionOf(socket)), ...handshakeProblem(error, socket))
    socket.destroy()
  })
  const server = createServer({ noDelay: true }, socket => {
    if (!track(socket)) return
    const source = socket.remoteAddress
    const peer = peerAddressOf(socket)
    if (!handshakes.take(source)) {
      refuse(peer, 'TOO_MANY_CONNECTIONS', 'too many TLS handshakes are under way')
      socket.resetAndDestroy()
      return
    }
    const ends = endsOf(socket)
    let isReleased = false
    const release = () => {
      if (isReleased) return
      isReleased = true
      // one that was lost may be told of only after the next one with the same ends has come
      if (underWay.get(ends) === release) underWay.delete(ends)
      handshakes.release(source)
    }
    underWay.set(ends, release)
    socket.once('close', release)
    tls.emit('connection', socket)
  })
  return { server, present: contexts => tls.setSecureContext(contexts.sole?.options ?? meshTls) }
}

type Problem = readonly [reason: Reason, detail: string]

const wrongWorkload: Problem = ['WRONG_WORKLOAD', unknownIdentity]

/** What is wrong with a handshake that TLS itself was content with. */
function problemOf(socket: TLSSocket): Problem | undefined {
  if (!socket.authorized || socket.isSessionReused()) return ['PEER_CERTIFICATE', 'the certificate was not verified']
  return sessionSettings(socket.alpnProtocol) !== undefined
    ? undefined
    : ['BAD_HANDSHAKE', 'the client does not speak h2']
}

/** Why a handshake failed: a certificate that is not of this mesh, or anything else. */
function handshakeProblem(error: Error, socket: TLSSocket): Problem {
  if (error.message === unknownIdentity) return wrongWorkload
  const { authorizationError } = socket
  const verdict = authorizationError instanceof Error ? describeError(authorizationError) : authorizationError
  if (typeof verdict === 'string') return ['PEER_CERTIFICATE', `certificate: ${verdict}`]
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code.includes('CERTIFICATE')) return ['PEER_CERTIFICATE', code]
  return ['BAD_HANDSHAKE', code === '' ? describeError(error) : code]
}

/** The connection under a TLS socket, which still knows its peer; a field that Node has but does not document. */
function connectionOf(socket: TLSSocket): Socket {
  const { _parent: parent } = socket as unknown as { readonly _parent?: Socket | null }
  return parent ?? socket
}
