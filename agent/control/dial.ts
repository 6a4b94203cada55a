import type { Socket } from 'node:net'
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls'
import { parseSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import { peerSpiffeId } from '../../mesh/identity/verify.ts'
import type { Clock } from '../../mesh/std/clock.ts'
import { systemClock } from '../../mesh/std/clock.ts'
import { hasCode, MeshError } from '../../mesh/std/errors.ts'

/** How long each step of connecting may take: TCP with TLS, then the protocol inside. */
const handshakeTimeoutMs = 5_000

/** Whom to call, as whom, and whom to believe; everything PEM. */
export interface ConnectOptions {
  readonly host: string
  readonly port: number
  /** Empty roots believe nobody. */
  readonly roots: readonly string[]
  readonly key: string
  /** Leaf first. */
  readonly chain: string
  readonly trustDomain: string
  readonly clock?: Clock
  /** Told the local address of the connection once the server has proved itself. */
  readonly connectedFrom?: (address: string | undefined) => void
}

/**
 * Judges a server's leaf, whose chain TLS has already verified: what counts is the SPIFFE id of a server of this trust
 * domain; the host name is only the way there. Gives the WEFT_SERVER_UNTRUSTED to throw, or undefined.
 */
function serverProblem(certificate: PeerCertificate, options: ConnectOptions): MeshError | undefined {
  try {
    const id = peerSpiffeId(certificate.raw, options.trustDomain)
    if (parseSpiffeId(id).kind === 'server') return undefined
    return untrusted(options, 'certificate is not a server’s', { expected: 'server', got: id })
  } catch (cause) {
    return untrusted(options, 'certificate of the server was refused', {}, cause)
  }
}

/**
 * Opens a TLS connection to a server of the mesh, over a TCP connection when one is given, and resolves once the server
 * has proved that it is one; nothing but the handshake has been sent by then. Throws WEFT_SERVER_UNREACHABLE and
 * WEFT_SERVER_UNTRUSTED, and leaves no socket open then.
 */
export async function dialServer(
  options: ConnectOptions,
  alpn: 'http/1.1' | 'h2',
  signal: AbortSignal,
  over?: Socket,
): Promise<TLSSocket> {
  const socket = connect({
    ca: [...options.roots],
    key: options.key,
    cert: options.chain,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ...(over === undefined ? { host: options.host, port: options.port } : { socket: over }),
    ALPNProtocols: [alpn],
    checkServerIdentity: (_, certificate) => serverProblem(certificate, options),
  })
  // For good: a late error of a socket that was given up, or not yet taken over, must not end the process.
  socket.on('error', () => {})
  try {
    await withDeadline(options, signal, (done, fail) => {
      socket.once('secureConnect', done)
      socket.once('error', fail)
      socket.once('close', () => fail(new Error('the connection closed')))
    })
    options.connectedFrom?.(socket.localAddress ?? over?.localAddress)
    return socket
  } catch (error) {
    socket.destroy()
    over?.destroy()
    if (hasCode(error, 'WEFT_SERVER_UNTRUSTED')) throw error
    // Node leaves the code of a failed verification here.
    if (socket.authorizationError) {
      throw untrusted(options, 'certificate of the server is not signed by a trusted root', {}, error)
    }
    throw unreachable(options, error)
  }
}

/** Waits for one of two callbacks, at most five seconds and only until the signal aborts. */
export function withDeadline(
  options: ConnectOptions,
  signal: AbortSignal,
  start: (done: () => void, fail: (error: Error) => void) => void,
): Promise<void> {
  const { clock = systemClock } = options
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => {
      timer.cancel()
      signal.removeEventListener('abort', abort)
      finish()
    }
    const fail = (error: Error) => settle(() => reject(error))
    const abort = () => fail(new Error('connecting was cancelled'))
    const timer = clock.timer(handshakeTimeoutMs, () => fail(new Error('no answer within 5 s')))
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) return abort()
    start(() => settle(resolve), fail)
  })
}

/** The server did not answer, or broke off before it had proved anything. */
export function unreachable(options: ConnectOptions, cause: unknown): MeshError {
  const fields = { host: options.host, port: options.port }
  return new MeshError('WEFT_SERVER_UNREACHABLE', 'could not connect to the server', { fields, cause })
}

/** Somebody answered who is not a server of this mesh. */
function untrusted(
  options: ConnectOptions,
  message: string,
  details: Readonly<Record<string, unknown>>,
  cause?: unknown,
): MeshError {
  const fields = { host: options.host, port: options.port, ...details }
  return new MeshError('WEFT_SERVER_UNTRUSTED', message, { fields, cause })
}
