import { createCsr } from '../../mesh/identity/csr.ts'
import { parseJoinToken } from '../../mesh/identity/join-token.ts'
import { decodePrivateKey, encodePrivateKey, generateKeys } from '../../mesh/identity/keys.ts'
import { agentSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { TrustBundle } from '../../mesh/identity/trust-bundle.ts'
import type { Clock } from '../../mesh/std/clock.ts'
import { type ErrorCode, errorCatalogue } from '../../mesh/std/error-catalogue.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import { type HeldCertificate, holdCertificate, verifyIssued } from '../identity/held-certificate.ts'
import type { AgentState } from './agent-state.ts'
import { postJson } from './first-contact.ts'

export interface JoinDeps {
  readonly clock: Clock
  readonly state: AgentState
}

export interface JoinOptions {
  readonly node: string
  readonly server: { readonly host: string; readonly apiPort: number }
  /** The whole token, as read from a file or from standard input; never from the command line. */
  readonly token: string
}

/**
 * Joins this host to a mesh: makes its key, proves the server by the token's root hash and itself by the token's
 * secret, and keeps the certificate. The key is saved before it is used, so trying again asks for the same one.
 * Throws WEFT_TOKEN_REFUSED, WEFT_SERVER_UNTRUSTED, WEFT_SERVER_UNREACHABLE, or the server's own refusal.
 */
export async function joinMesh(deps: JoinDeps, options: JoinOptions): Promise<HeldCertificate> {
  const { node, server } = options
  const token = parseJoinToken(options.token.trim())
  if (token.node !== node) {
    throw new MeshError('WEFT_TOKEN_REFUSED', 'the join token is for another node', {
      fields: { node, token: token.node },
      next: `set node to ${token.node}, or create a token with weft token create --node ${node}`,
    })
  }
  const known = await deps.state.node()
  const keys = known === undefined ? generateKeys() : decodePrivateKey(known.key)
  const key = encodePrivateKey(keys.privateKey)
  if (known === undefined) await deps.state.saveNode({ key })

  const contact = { host: server.host, port: server.apiPort, rootHash: token.rootHash }
  const request = { secret: token.secret, node, csr: createCsr(keys).toString('base64') }
  const answer = await postJson(deps.clock, contact, '/v1/join', request)
  if (answer.status !== 200) throw refusal(answer.status, answer.body)

  const { chain, trust } = readJoined(answer.body, answer.trustDomain)
  const identity = agentSpiffeId(trust.trustDomain, node)
  const held = holdCertificate({ identity, key, chain })
  verifyIssued(held, trust, deps.clock.now())
  await deps.state.saveTrust(trust)
  await deps.state.saveNode({ key, identity, chain })
  return held
}

function readJoined(body: unknown, verified: string): { chain: string; trust: TrustBundle } {
  const { chain, roots, trustDomain } = isObject(body) ? body : {}
  if (!isTexts(chain) || !isTexts(roots) || chain.length === 0 || roots.length === 0 || trustDomain !== verified) {
    throw new MeshError('WEFT_WIRE', 'the server answered the join in a way this agent does not understand')
  }
  // Before any bundle that the server numbers: the first one it pushes is newer.
  return { chain: chain.join('\n'), trust: { trustDomain: verified, sequence: -1, roots } }
}

function refusal(status: number, body: unknown): MeshError {
  const { code, message, next } = isObject(body) ? body : {}
  const known = typeof code === 'string' && Object.hasOwn(errorCatalogue, code)
  return new MeshError(
    known ? (code as ErrorCode) : 'WEFT_SERVER_UNREACHABLE',
    typeof message === 'string' ? message : 'the server did not let this host join',
    { fields: { status }, ...(typeof next === 'string' && { next }) },
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}
