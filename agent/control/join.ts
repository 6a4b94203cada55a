import { createCsr } from '../../mesh/identity/csr.ts'
import { parseJoinToken } from '../../mesh/identity/join-token.ts'
import { decodePrivateKey, encodePrivateKey, generateKeys, type KeyPair, spkiHash } from '../../mesh/identity/keys.ts'
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

/** Which server, and what this host is called. */
interface JoinTarget {
  readonly node: string
  readonly server: { readonly host: string; readonly apiPort: number }
}

export interface JoinOptions extends JoinTarget {
  /** The whole token, as read from a file or from standard input; never from the command line. */
  readonly token: string
}

/** What a host is known by elsewhere, as `server/identity/attest` judges it. */
interface HostEvidence {
  readonly kind: string
  readonly payload: string
}

export interface EvidenceOptions extends JoinTarget {
  /** SHA-256 of the public key (SPKI) of the root that the server must chain to, hex: evidence does not carry it. */
  readonly rootHash: string
  /** Gets the evidence; `ask` puts a question to the server, which has been proved by then. */
  evidence(ask: AskServer, keys: KeyPair): Promise<HostEvidence>
}

/** Posts JSON to a path of the server's API and gives the body of its answer; throws the server's refusal. */
export type AskServer = (path: string, body: unknown) => Promise<unknown>

/**
 * Joins this host to a mesh: makes its key, proves the server by the token's root hash and itself by the token's
 * secret, and keeps the certificate. One of the roots that it names must have proved it: the token's, or one that came
 * after it. The key is saved before it is used, so trying again asks for the same one. Throws WEFT_TOKEN_REFUSED,
 * WEFT_SERVER_UNTRUSTED, WEFT_SERVER_UNREACHABLE, or the server's own refusal.
 */
export async function joinMesh(deps: JoinDeps, options: JoinOptions): Promise<HeldCertificate> {
  const { node } = options
  const token = parseJoinToken(options.token.trim())
  if (token.node !== node) {
    throw new MeshError('WEFT_TOKEN_REFUSED', 'the join token is for another node', {
      fields: { node, token: token.node },
      next: `set node to ${token.node}, or create a token with weft token create --node ${node}`,
    })
  }
  return join(deps, { ...options, rootHash: token.rootHash, request: async () => ({ secret: token.secret }) })
}

/**
 * Joins this host by what it is known by elsewhere. Nothing of that is sent before the server has proved to be one of the
 * given root. A host that has joined before keeps its key, so that this also brings back one whose certificate has
 * expired. Throws as {@link joinMesh} does, and WEFT_EVIDENCE_REFUSED.
 */
export function joinByEvidence(deps: JoinDeps, options: EvidenceOptions): Promise<HeldCertificate> {
  const { rootHash } = options
  if (!/^[0-9a-f]{64}$/.test(rootHash)) {
    throw new MeshError('WEFT_USAGE', 'the root hash is not a SHA-256 in hexadecimal', { fields: { rootHash } })
  }
  const request = async (ask: AskServer, keys: KeyPair) => ({ evidence: await options.evidence(ask, keys) })
  return join(deps, { ...options, request })
}

interface Joining extends JoinTarget {
  readonly rootHash: string
  /** The fields of the request that say by what right. */
  request(ask: AskServer, keys: KeyPair): Promise<Readonly<Record<string, unknown>>>
}

async function join(deps: JoinDeps, joining: Joining): Promise<HeldCertificate> {
  const { node, server, rootHash } = joining
  const known = await deps.state.node()
  const keys = known === undefined ? generateKeys() : decodePrivateKey(known.key)
  const key = encodePrivateKey(keys.privateKey)
  if (known === undefined) await deps.state.saveNode({ key })

  const contact = { host: server.host, port: server.apiPort, rootHash }
  const ask: AskServer = async (path, body) => {
    const { status, body: said } = await postJson(deps.clock, contact, path, body)
    if (status !== 200) throw refusal(status, said)
    return said
  }
  const request = { ...(await joining.request(ask, keys)), node, csr: createCsr(keys).toString('base64') }
  const answer = await postJson(deps.clock, contact, '/v1/join', request)
  if (answer.status !== 200) throw refusal(answer.status, answer.body)

  const { chain, trust } = readJoined(answer.body, answer.trustDomain)
  // The root may have changed since the token was made; the chain that proved the server then leads to the new one.
  if (!trust.roots.some(root => answer.provedBy.includes(spkiHash(root)))) {
    throw new MeshError('WEFT_SERVER_UNTRUSTED', 'no root of the mesh is among those that proved the server')
  }
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
