import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { spkiHash } from '../../../mesh/identity/keys.ts'
import { verifyChain } from '../../../mesh/identity/verify.ts'
import { parseCertificate } from '../../../mesh/identity/x509.ts'
import type { TrustResource } from '../../../mesh/model/agent-config.ts'
import type { Trust } from '../../../mesh/model/trust.ts'

/** Longest chain that a peer can have shown and been believed. */
const maxChain = 8

/** Whom nobody may have a connection with, prepared for one question a handshake. */
export class PeerBans {
  readonly #identities: ReadonlySet<string>
  readonly #keys: ReadonlySet<string>

  constructor(trust: Pick<Trust, 'bannedIdentities' | 'bannedKeys'> = {}) {
    this.#identities = new Set(trust.bannedIdentities)
    this.#keys = new Set(trust.bannedKeys)
  }

  /** Whether the identity, or the key of the certificate that proved it, is banned. */
  has(identity: string, certificate: X509Certificate): boolean {
    return this.#identities.has(identity) || (this.#keys.size > 0 && this.#keys.has(spkiHash(certificate.publicKey)))
  }
}

/**
 * Whether a session whose peer showed this chain in its handshake may go on under this bundle, at `now` (milliseconds
 * since 1970): its root is believed, or has gone in good order, and nobody has banned the peer.
 */
export function stillTrusted(socket: TLSSocket, trust: TrustResource | undefined, now: number): boolean {
  if (trust === undefined) return false
  const chain: Buffer[] = []
  const leaf = socket.getPeerX509Certificate()
  for (let one = leaf; one !== undefined && chain.length < maxChain; one = one.issuerCertificate) chain.push(one.raw)
  const { roots, retired = [], trustDomain } = trust
  try {
    verifyChain({ chain, roots: [...roots, ...retired], trustDomain, now })
    return leaf !== undefined && !new PeerBans(trust).has(identityOf(leaf), leaf)
  } catch {
    return false
  }
}

/** Whether someone whom the one bundle believed may not be believed by the other: then what is open is judged again. */
export function isNarrower(trust: TrustResource, before: TrustResource): boolean {
  const believed = new Set([...trust.roots, ...(trust.retired ?? [])])
  const gone = [...before.roots, ...(before.retired ?? [])].some(root => !believed.has(root))
  return (
    gone ||
    trust.trustDomain !== before.trustDomain ||
    hasMore(trust.bannedIdentities, before.bannedIdentities) ||
    hasMore(trust.bannedKeys, before.bannedKeys)
  )
}

function hasMore(now: readonly string[] = [], before: readonly string[] = []): boolean {
  const known = new Set(before)
  return now.some(one => !known.has(one))
}

/** The one URI name of a certificate that verifyChain has accepted. */
function identityOf(leaf: X509Certificate): string {
  return parseCertificate(leaf.raw).uris[0] ?? ''
}
