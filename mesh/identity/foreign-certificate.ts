import { X509Certificate } from 'node:crypto'
import { MeshError } from '../std/errors.ts'
import { bytesOf, childrenOf, decode, type Element, isTagged, oidOf, tag, taggedBytes, taggedChildren } from './der.ts'
import { decodeExtensions, type Extensions } from './extensions.ts'

/** A certificate of an authority that is not the mesh's: of any key that Node knows. Nothing about it is verified yet. */
export interface ForeignCertificate extends Extensions {
  readonly x509: X509Certificate
  /** DNS names of the subject alternative name, in order. */
  readonly dnsNames: readonly string[]
}

const maxCertificateBytes = 16 * 1024
const maxChainLength = 5
const minRsaBits = 2048
const subjectAltName = '2.5.29.17'

/**
 * Reads a certificate, DER or one PEM block. Throws WEFT_CERTIFICATE_REFUSED for one that is malformed, has a critical
 * extension that is not understood, name constraints, or an RSA key of less than 2048 bits.
 */
export function readForeignCertificate(source: Uint8Array | string): ForeignCertificate {
  if (source.length > 2 * maxCertificateBytes) throw refused('certificate is too large')
  try {
    const x509 = new X509Certificate(source)
    const bits = x509.publicKey.asymmetricKeyDetails?.modulusLength
    if (bits !== undefined && bits < minRsaBits) throw new Error('key is too short')
    const [tbs] = childrenOf(decode(x509.raw), tag.sequence)
    const list = childrenOf(tbs, tag.sequence).find(part => isTagged(part, 3, true))
    if (list === undefined) throw new Error('certificate has no extensions')
    const [extensions] = taggedChildren(list, 3)
    if (extensions === undefined) throw new Error('certificate has no extensions')
    return { ...decodeExtensions(extensions), dnsNames: dnsNamesIn(extensions), x509 }
  } catch (cause) {
    throw refused('certificate cannot be used', cause)
  }
}

/** All certificates of a PEM text; whatever stands between them is dropped. */
export function readForeignCertificates(pem: string): readonly ForeignCertificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return blocks.map(readForeignCertificate)
}

/**
 * Verifies that a leaf chains to one of the authorities through the given intermediates, after RFC 5280 section 6.1 as far
 * as names, signatures, validity, CA flags, key usages and path lengths go. Throws WEFT_CERTIFICATE_REFUSED.
 */
export function verifyForeignChain(
  leaf: ForeignCertificate,
  intermediates: readonly ForeignCertificate[],
  authorities: readonly ForeignCertificate[],
  now: number,
): void {
  let current = leaf
  if (leaf.isCa) throw refused('certificate is of a certificate authority')
  for (let below = 0; below < maxChainLength; below += 1) {
    checkValid(current, now)
    const anchor = authorities.find(authority => isIssuedBy(current, authority, below))
    if (anchor !== undefined) return checkValid(anchor, now)
    const next = intermediates.find(candidate => isIssuedBy(current, candidate, below))
    if (next === undefined) throw refused('chain does not end in an authority that is believed')
    current = next
  }
  throw refused('chain is too long')
}

function isIssuedBy({ x509 }: ForeignCertificate, issuer: ForeignCertificate, below: number): boolean {
  const { isCa, keyUsage, pathLength } = issuer
  if (!isCa || (keyUsage !== undefined && !keyUsage.has('keyCertSign'))) return false
  if (pathLength !== undefined && pathLength < below) return false
  return x509.checkIssued(issuer.x509) && x509.verify(issuer.x509.publicKey)
}

function checkValid({ x509 }: ForeignCertificate, now: number): void {
  if (now >= Date.parse(x509.validFrom) && now <= Date.parse(x509.validTo)) return
  throw refused('certificate is not valid now')
}

function dnsNamesIn(extensions: Element): readonly string[] {
  const found = childrenOf(extensions, tag.sequence).find(item => {
    return oidOf(childrenOf(item, tag.sequence)[0]) === subjectAltName
  })
  if (found === undefined) return []
  const names = childrenOf(decode(bytesOf(childrenOf(found, tag.sequence).at(-1), tag.octetString)), tag.sequence)
  return names.filter(name => isTagged(name, 2, false)).map(name => taggedBytes(name, 2).toString('latin1'))
}

function refused(message: string, cause?: unknown): MeshError {
  return new MeshError('WEFT_CERTIFICATE_REFUSED', message, { cause })
}
