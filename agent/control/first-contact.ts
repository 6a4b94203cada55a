import { request as httpRequest } from 'node:http'
import { connect as connectTls, type DetailedPeerCertificate, type TLSSocket } from 'node:tls'
import { apiHostName } from '../../mesh/identity/api-token.ts'
import { spkiHash } from '../../mesh/identity/keys.ts'
import { pemBlock } from '../../mesh/identity/pem.ts'
import { parseSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import { verifyChain } from '../../mesh/identity/verify.ts'
import { parseCertificate } from '../../mesh/identity/x509.ts'
import type { Clock } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'

/** Where the server's HTTPS API is, and what proves that it is the right one. */
export interface FirstContact {
  readonly host: string
  readonly port: number
  /** SHA-256 of the public key of the root the server must chain to, hex. */
  readonly rootHash: string
}

/** What came back: an HTTP status and a parsed JSON body. */
export interface JsonAnswer {
  readonly status: number
  readonly body: unknown
  /** Of the server's own SPIFFE id, which has been verified. */
  readonly trustDomain: string
  /** SHA-256 of the public keys (SPKI) of the chain that proved the server, hex. */
  readonly provedBy: readonly string[]
}

/** One request of the API; the body, if there is one, is JSON or YAML text. */
export interface ApiCall {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly body?: string
  /** Bearer token. */
  readonly token?: string
}

const deadlineMs = 20_000
const maxAnswerBytes = 64 * 1024 * 1024
/** Leaf, issuing certificate, root, and those of roots that later ones were certified by. */
const maxChainLength = 8

/** Sends one JSON request as {@link callApi} does. */
export function postJson(clock: Clock, to: FirstContact, path: string, body: unknown): Promise<JsonAnswer> {
  return callApi(clock, to, { method: 'POST', path, body: JSON.stringify(body) })
}

/**
 * Sends one request to a server that is known by nothing but the hash of its root. No byte of the request leaves
 * before the server has proved to be a server of that root. Throws WEFT_SERVER_UNTRUSTED when it is not, and
 * WEFT_SERVER_UNREACHABLE when there is no whole answer within 20 s.
 */
export async function callApi(clock: Clock, to: FirstContact, call: ApiCall): Promise<JsonAnswer> {
  const address = `${to.host}:${to.port}`
  const aborting = new AbortController()
  const deadline = clock.timer(deadlineMs, () => aborting.abort(new Error('no answer within 20 s')))
  let socket: TLSSocket | undefined
  try {
    socket = await openSocket(to, aborting.signal)
    const proof = verifyServer(socket, to.rootHash, clock.now())
    return { ...(await exchange(socket, call, aborting.signal)), ...proof }
  } catch (cause) {
    if (cause instanceof MeshError) throw cause
    throw new MeshError('WEFT_SERVER_UNREACHABLE', 'the server cannot be reached', { cause, fields: { address } })
  } finally {
    deadline.cancel()
    socket?.destroy()
  }
}

function openSocket(to: FirstContact, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // Node's own verification knows only its own roots: the chain is verified by verifyServer before anything is sent.
    const socket = connectTls({ host: to.host, port: to.port, rejectUnauthorized: false, minVersion: 'TLSv1.3' })
    const abort = () => socket.destroy(signal.reason instanceof Error ? signal.reason : undefined)
    signal.addEventListener('abort', abort, { once: true })
    socket.on('error', reject)
    socket.once('close', () => {
      signal.removeEventListener('abort', abort)
      reject(new Error('the connection was closed'))
    })
    socket.once('secureConnect', () => resolve(socket))
  })
}

/** The trust domain of the server's verified id, and what proved it; throws WEFT_SERVER_UNTRUSTED. */
function verifyServer(socket: TLSSocket, rootHash: string, now: number): Pick<JsonAnswer, 'trustDomain' | 'provedBy'> {
  const chain = presentedChain(socket)
  const roots = chain.map(der => pemBlock('CERTIFICATE', der)).filter(pem => hashOrNothing(pem) === rootHash)
  if (roots.length === 0) throw forgotten(rootHash)
  try {
    const [leaf = ''] = parseCertificate(chain[0] ?? Buffer.alloc(0)).uris
    const { trustDomain } = parseSpiffeId(leaf)
    const id = verifyChain({ chain, roots, trustDomain, now })
    if (id.kind !== 'server') throw untrusted('what answers is not a server of the mesh', { identity: leaf })
    const provedBy = chain.map(der => hashOrNothing(pemBlock('CERTIFICATE', der)) ?? '')
    return { trustDomain, provedBy }
  } catch (cause) {
    if (cause instanceof MeshError && cause.code === 'WEFT_SERVER_UNTRUSTED') throw cause
    throw untrusted("the server's certificate does not hold", {}, cause)
  }
}

/** DER, leaf first, as far as the server sent it. */
function presentedChain(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = []
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  while (certificate?.raw !== undefined && chain.length < maxChainLength) {
    chain.push(certificate.raw)
    // A root names itself as its issuer.
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate
    certificate = issuer === certificate || issuer?.raw?.equals(certificate.raw) ? undefined : issuer
  }
  return chain
}

function hashOrNothing(pem: string): string | undefined {
  try {
    return spkiHash(pem)
  } catch {
    return undefined
  }
}

function exchange(
  socket: TLSSocket,
  { method, path, body = '', token }: ApiCall,
  signal: AbortSignal,
): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      createConnection: () => socket,
      method,
      path,
      signal,
      headers: {
        host: apiHostName,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        connection: 'close',
      },
    })
    request.on('error', reject)
    request.on('response', response => {
      const parts: Buffer[] = []
      let bytes = 0
      response.on('data', (part: Buffer) => {
        bytes += part.length
        if (bytes > maxAnswerBytes) request.destroy(new Error('the answer is larger than 64 MiB'))
        else parts.push(part)
      })
      response.on('error', reject)
      response.on('aborted', () => reject(new Error('the answer was cut off')))
      response.on('end', () => {
        try {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(parts).toString('utf8')) })
        } catch {
          reject(new Error(`the answer with status ${response.statusCode} is not JSON`))
        }
      })
    })
    request.end(body)
  })
}

function forgotten(rootHash: string): MeshError {
  return new MeshError('WEFT_SERVER_UNTRUSTED', 'the server does not present the root that the token names', {
    fields: { rootHash },
    next: 'check the address; if the root of the mesh has changed since the token was made (weft ca status), use a new token',
  })
}

function untrusted(message: string, fields: Readonly<Record<string, unknown>>, cause?: unknown): MeshError {
  return new MeshError('WEFT_SERVER_UNTRUSTED', message, { fields, cause })
}
