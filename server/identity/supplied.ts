import { createPublicKey, type KeyObject } from 'node:crypto'
import { type Issuer, issueLeaf, parseCertificate } from '../../mesh/identity/certificate.ts'
import { extendedKeyUsages } from '../../mesh/identity/extensions.ts'
import { encodePublicKey, generateKeys } from '../../mesh/identity/keys.ts'
import { serverSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import { checkSignedBy, verifyChain } from '../../mesh/identity/verify.ts'
import { MeshError } from '../../mesh/std/errors.ts'

/** An issuing certificate of the operator's own authority, ready to issue. */
export interface Supplied {
  readonly issuing: Issuer
  /** Certificates between it and the root, PEM. */
  readonly above: readonly string[]
  /** PEM. */
  readonly root: string
}

export interface SuppliedFor {
  /** The key that the certificate was asked for. */
  readonly privateKey: KeyObject
  readonly trustDomain: string
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Issuing certificate, two between, root: with what an earlier root may add, agents take no more. */
const maxCertificates = 4

/**
 * Reads a chain (PEM, issuing certificate first, the root last) and makes sure that what it issues would be believed:
 * a certificate is issued with it and verified as agents do. Throws WEFT_CERTIFICATE_REFUSED with what is wrong.
 */
export function readSupplied(text: string, { privateKey, trustDomain, now }: SuppliedFor): Supplied {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  const pems = blocks.map(block => `${block}\n`)
  const [first, root] = [pems[0], pems.at(-1)]
  if (first === undefined || root === undefined || pems.length < 2 || pems.length > maxCertificates) {
    throw refused(`a chain has two to ${maxCertificates} certificates, the issuing one first and the root last`)
  }
  const [issuing, anchor] = [parseCertificate(first), parseCertificate(root)]
  if (!issuing.spki.equals(encodePublicKey(createPublicKey(privateKey)))) {
    throw refused('the first certificate is not for the key of the request', 'have the request of weft ca csr signed')
  }
  if (!anchor.issuer.equals(anchor.subject)) throw refused('the last certificate is no root: it names another issuer')
  checkSignedBy(anchor, anchor, pems.length - 1)
  const { serverAuth, clientAuth } = extendedKeyUsages
  const { extendedKeyUsage } = issuing
  if (extendedKeyUsage !== undefined && ![serverAuth, clientAuth].every(usage => extendedKeyUsage.includes(usage))) {
    throw refused('the issuing certificate is limited to other purposes than clients and servers')
  }
  const issuer: Issuer = { certificatePem: first, privateKey }
  const spiffeId = serverSpiffeId(trustDomain, 'probe')
  const { publicKey } = generateKeys()
  const probe = issueLeaf({ spiffeId, publicKey, issuer, notBefore: now - 1_000, notAfter: now + 60_000 })
  const above = pems.slice(1, -1)
  const chain = [probe, first, ...above].map(pem => parseCertificate(pem).der)
  verifyChain({ chain, roots: [root], trustDomain, now })
  return { issuing: issuer, above, root }
}

function refused(message: string, next?: string): MeshError {
  return new MeshError('WEFT_CERTIFICATE_REFUSED', message, next === undefined ? {} : { next })
}
