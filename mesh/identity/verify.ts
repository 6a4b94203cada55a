import { verify } from 'node:crypto'
import { MeshError } from '../std/errors.ts'
import { extendedKeyUsages } from './extensions.ts'
import { parseSpiffeId, type SpiffeId } from './spiffe-id.ts'
import { type Certificate, parseCertificate, publicKeyOf } from './x509.ts'

/** Leaf, issuing certificate, root, and those of roots that later ones were certified by. */
const maxChainLength = 8

/**
 * The SPIFFE id of a peer, from the leaf (DER) of a TLS handshake whose chain has already been verified against the
 * trust bundle: exactly one URI name, of this trust domain or another name of it, no CA, allowed to sign. Throws
 * WEFT_CERTIFICATE_REFUSED.
 */
export function peerSpiffeId(leafDer: Uint8Array, trustDomain: string, aliases: readonly string[] = []): string {
  return checkLeaf(parseCertificate(leafDer), trustDomain, aliases)
}

export interface ChainToVerify {
  /** DER, leaf first; roots may be left out. */
  readonly chain: readonly Uint8Array[]
  /** Root certificates, PEM. None means that nothing is trusted. */
  readonly roots: readonly string[]
  readonly trustDomain: string
  /** Milliseconds since 1970. */
  readonly now: number
}

/**
 * Verifies a chain after RFC 5280 section 6.1 as far as X509-SVID needs it (signatures, names, validity, CA flags,
 * path lengths, key usages) and gives the leaf's SPIFFE id. Throws WEFT_CERTIFICATE_REFUSED.
 */
export function verifyChain({ chain, roots, trustDomain, now }: ChainToVerify): SpiffeId {
  if (chain.length === 0 || chain.length > maxChainLength) throw refused('chain is empty or too long')
  const certificates = chain.map(parseCertificate)
  const [leaf] = certificates
  if (leaf === undefined) throw refused('chain is empty or too long')
  const id = checkLeaf(leaf, trustDomain)
  const anchors = roots.map(parseCertificate)
  for (const [at, certificate] of certificates.entries()) {
    checkValidity(certificate, now)
    if (at > 0) checkTrustDomainOf(certificate, trustDomain)
    if (at > 0 && anchors.some(anchor => anchor.der.equals(certificate.der))) return parseSpiffeId(id)
    const issuer = certificates[at + 1] ?? anchors.find(anchor => isSignedBy(certificate, anchor, at))
    if (issuer === undefined) throw refused('chain does not end in a trusted root')
    checkSignedBy(certificate, issuer, at)
    if (at === certificates.length - 1) {
      checkValidity(issuer, now)
      checkTrustDomainOf(issuer, trustDomain)
    }
  }
  return parseSpiffeId(id)
}

/** Checks a leaf on its own (X509-SVID section 5.2) and returns its id; throws WEFT_CERTIFICATE_REFUSED. */
export function checkLeaf(leaf: Certificate, trustDomain: string, aliases: readonly string[] = []): string {
  const [uri, ...more] = leaf.uris
  if (uri === undefined || more.length > 0) {
    throw refused('certificate does not carry exactly one uri name', { uris: leaf.uris.length })
  }
  if (leaf.isCa) throw refused('certificate is of a certificate authority')
  const { keyUsage, extendedKeyUsage } = leaf
  if (keyUsage?.has('digitalSignature') !== true || keyUsage.has('keyCertSign') || keyUsage.has('cRLSign')) {
    throw refused('certificate has the wrong key usage')
  }
  const { serverAuth, clientAuth } = extendedKeyUsages
  if (extendedKeyUsage !== undefined && ![serverAuth, clientAuth].every(usage => extendedKeyUsage.includes(usage))) {
    throw refused('certificate is not for both clients and servers')
  }
  const id = idOf(uri)
  if (id.trustDomain !== trustDomain && !aliases.includes(id.trustDomain)) {
    throw refused('certificate is of another trust domain', { expected: trustDomain, got: id.trustDomain })
  }
  return uri
}

/**
 * Checks that one certificate was issued by another, with `below` issuing certificates between it and the leaf;
 * throws WEFT_CERTIFICATE_REFUSED.
 */
export function checkSignedBy(certificate: Certificate, issuer: Certificate, below: number): void {
  if (!issuer.isCa || issuer.keyUsage?.has('keyCertSign') !== true) throw refused('issuer may not sign certificates')
  if (issuer.pathLength !== undefined && issuer.pathLength < below) {
    throw refused('chain is longer than its issuer allows', { pathLength: issuer.pathLength })
  }
  if (!isSignedBy(certificate, issuer, below)) throw refused('certificate is not signed by its issuer')
}

function isSignedBy(certificate: Certificate, issuer: Certificate, below: number): boolean {
  if (issuer.pathLength !== undefined && issuer.pathLength < below) return false
  if (!certificate.issuer.equals(issuer.subject)) return false
  return verify(certificate.hash, certificate.signed, publicKeyOf(issuer), certificate.signature)
}

/** The root (PEM) that the last certificate of a chain (DER, leaf first) is signed by; undefined when it is none of these. */
export function anchorOf(chain: readonly Uint8Array[], roots: readonly string[]): string | undefined {
  const last = chain.at(-1)
  if (last === undefined) return undefined
  const certificate = parseCertificate(last)
  return roots.find(root => {
    const anchor = parseCertificate(root)
    return anchor.der.equals(certificate.der) || isSignedBy(certificate, anchor, chain.length - 1)
  })
}

/** Checks that a certificate is valid at `now` (milliseconds since 1970); throws WEFT_CERTIFICATE_REFUSED. */
export function checkValidity(certificate: Certificate, now: number): void {
  const fields = {
    notBefore: new Date(certificate.notBefore).toISOString(),
    notAfter: new Date(certificate.notAfter).toISOString(),
    now: new Date(now).toISOString(),
  }
  if (now < certificate.notBefore)
    throw refused('certificate is not valid yet', fields, 'compare the clocks of both hosts')
  if (now > certificate.notAfter)
    throw refused('certificate is expired', fields, 'check the clock, and why the certificate was not renewed')
}

/** A CA that names a trust domain stands for that one only (X509-SVID section 4.2). */
function checkTrustDomainOf(ca: Certificate, trustDomain: string): void {
  for (const uri of ca.uris) {
    if (uri !== `spiffe://${trustDomain}`) throw refused('issuer is of another trust domain', { expected: trustDomain })
  }
}

function idOf(uri: string): SpiffeId {
  try {
    return parseSpiffeId(uri)
  } catch (cause) {
    throw new MeshError('WEFT_CERTIFICATE_REFUSED', 'certificate names no spiffe id', { cause })
  }
}

function refused(message: string, fields: Record<string, unknown> = {}, next?: string): MeshError {
  return new MeshError('WEFT_CERTIFICATE_REFUSED', message, { fields, ...(next !== undefined && { next }) })
}
