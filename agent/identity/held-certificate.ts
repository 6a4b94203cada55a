import { decodePrivateKey, encodePublicKey, spkiHash } from '../../mesh/identity/keys.ts'
import { formatSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { TrustBundle } from '../../mesh/identity/trust-bundle.ts'
import { anchorOf, verifyChain } from '../../mesh/identity/verify.ts'
import { parseCertificate } from '../../mesh/identity/x509.ts'
import { MeshError } from '../../mesh/std/errors.ts'

/** An identity's key and certificate chain as files and messages carry them, PEM. */
export interface KeyAndChain {
  /** SPIFFE id. */
  readonly identity: string
  readonly key: string
  /** Leaf first. */
  readonly chain: string
}

/** The same, known to belong together, with its validity in milliseconds since 1970. */
export interface HeldCertificate extends KeyAndChain {
  readonly notBefore: number
  readonly notAfter: number
}

/** Clocks of two hosts may differ by this much without anyone noticing. */
const toleratedSkewMs = 120_000

/**
 * Takes over a key with its chain, whatever its validity: throws WEFT_CERTIFICATE_REFUSED when the leaf is not of this
 * key, not of exactly this identity, or malformed; WEFT_STATE_CORRUPT when the key is.
 */
export function holdCertificate(parts: KeyAndChain): HeldCertificate {
  const [leafPem] = splitChain(parts.chain)
  if (leafPem === undefined) throw refused('certificate chain is empty', parts.identity)
  const leaf = parseCertificate(leafPem)
  if (leaf.uris.length !== 1 || leaf.uris[0] !== parts.identity) {
    throw refused('certificate is of another identity', parts.identity, { got: leaf.uris })
  }
  if (!leaf.spki.equals(encodePublicKey(decodePrivateKey(parts.key).publicKey))) {
    throw refused('certificate is of another key', parts.identity)
  }
  return Object.freeze({ ...parts, notBefore: leaf.notBefore, notAfter: leaf.notAfter })
}

/**
 * Verifies a certificate that was just issued against the trust bundle. Throws WEFT_CERTIFICATE_REFUSED; when it is
 * only the time that does not fit by more than two minutes, the error names the clocks.
 */
export function verifyIssued(held: HeldCertificate, trust: TrustBundle, now: number): void {
  const earliest = held.notBefore - toleratedSkewMs
  if (now < earliest || now > held.notAfter) {
    throw refused('a new certificate is not valid by this clock', held.identity, {
      now: new Date(now).toISOString(),
      notBefore: new Date(held.notBefore).toISOString(),
      notAfter: new Date(held.notAfter).toISOString(),
    })
  }
  const chain = splitChain(held.chain).map(pem => parseCertificate(pem).der)
  const { trustDomain, roots } = trust
  const id = verifyChain({ chain, roots, trustDomain, now: Math.max(now, held.notBefore) })
  if (formatSpiffeId(id) !== held.identity) throw refused('certificate is of another identity', held.identity)
}

/** SHA-256 of the public key (SPKI), hex, of the root that a certificate is below; undefined when it is none of these. */
export function rootOf(held: KeyAndChain, roots: readonly string[]): string | undefined {
  const chain = splitChain(held.chain).map(pem => parseCertificate(pem).der)
  const root = anchorOf(chain, roots)
  return root === undefined ? undefined : spkiHash(root)
}

/** The certificates of a PEM text, one block each; whatever stands between them is dropped. */
export function splitChain(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
}

function refused(message: string, identity: string, fields: Readonly<Record<string, unknown>> = {}): MeshError {
  const clocks = message.includes('clock')
  return new MeshError('WEFT_CERTIFICATE_REFUSED', message, {
    fields: { identity, ...fields },
    ...(clocks && { next: 'compare the clocks of this host and of the server' }),
  })
}
