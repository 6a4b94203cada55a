import { verify } from 'node:crypto'
import { extendedKeyUsages } from '../../../mesh/identity/extensions.ts'
import {
  type ForeignCertificate,
  readForeignCertificates,
  verifyForeignChain,
} from '../../../mesh/identity/foreign-certificate.ts'
import { possessionText } from '../../../mesh/identity/possession.ts'
import { describeError, MeshError } from '../../../mesh/std/errors.ts'
import { type AttestContext, type Attestor, checkEvidence, refused } from './attestor.ts'
import type { Challenges } from './challenges.ts'

export interface X509Options {
  /** Authorities of host certificates, PEM. */
  readonly authorities: string
  /** What follows a node's name in the DNS name of its certificate; empty when the name is the whole. */
  readonly domain: string
  readonly trustDomain: string
}

interface Presented {
  readonly chain: string
  readonly challenge: string
  readonly signature: Buffer
}

/**
 * Possession of a host certificate of the operator's own authority: the host signs a challenge of this server together
 * with its name and the key that it joins with. Throws WEFT_CONFIG_INVALID for authorities that cannot be read.
 */
export function createX509Attestor(challenges: Challenges, options: X509Options): Attestor {
  const { domain, trustDomain } = options
  const authorities = readAuthorities(options.authorities)
  return {
    async attest(evidence, context) {
      checkEvidence(evidence, context.signal)
      const presented = readPresented(evidence.payload)
      const { chain, challenge } = presented
      const expiresAt = challenges.check(challenge, context.now)
      if (expiresAt === undefined) throw refused('challenge is not of this server, or too old')
      const [leaf, ...intermediates] = readable(() => readForeignCertificates(chain))
      if (leaf === undefined) throw refused('evidence has no certificate')
      readable(() => verifyForeignChain(leaf, intermediates, authorities, context.now))
      checkUsage(leaf)
      checkPossession(leaf, presented, context, trustDomain)
      const name = domain === '' ? context.node : `${context.node}.${domain}`
      // a name with a star is of many hosts
      if (!leaf.dnsNames.includes(name)) throw refused('certificate is of another host', { names: leaf.dnsNames })
      const { fingerprint256, issuer } = leaf.x509
      return {
        kind: 'x509',
        grade: 3,
        node: context.node,
        // renewed certificates are of the same host, as far as its authority tells hosts apart
        instance: `${issuer.replaceAll('\n', ', ')} ${name}`,
        claims: { issuer: issuer.replaceAll('\n', ', '), fingerprint: fingerprint256, name },
        proof: { id: challenge, expiresAt },
      }
    },
  }
}

function checkUsage({ keyUsage, extendedKeyUsage }: ForeignCertificate): void {
  if (keyUsage !== undefined && !keyUsage.has('digitalSignature')) throw refused('certificate is not for signatures')
  if (extendedKeyUsage?.includes(extendedKeyUsages.clientAuth) !== true) throw refused('certificate is not for clients')
}

function checkPossession(
  { x509 }: ForeignCertificate,
  { challenge, signature }: Presented,
  { node, keyHash }: AttestContext,
  trustDomain: string,
): void {
  const text = possessionText({ trustDomain, node, keyHash, challenge })
  const { publicKey } = x509
  const hash = publicKey.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  if (!verify(hash, text, publicKey, signature)) throw refused('challenge is not signed by the key of the certificate')
}

function readPresented(payload: string): Presented {
  let value: unknown
  try {
    value = JSON.parse(payload)
  } catch (cause) {
    throw refused('evidence is no JSON', {}, cause)
  }
  const { chain, challenge, signature } = { ...nothing, ...(typeof value === 'object' ? value : {}) }
  if (typeof chain !== 'string' || typeof challenge !== 'string' || typeof signature !== 'string') {
    throw refused('evidence lacks a chain, a challenge or a signature')
  }
  if (!/^(?:[0-9a-f]{2})+$/.test(signature)) throw refused('signature is not in hexadecimal')
  return { chain, challenge, signature: Buffer.from(signature, 'hex') }
}

const nothing: Readonly<Record<'chain' | 'challenge' | 'signature', unknown>> = {
  chain: undefined,
  challenge: undefined,
  signature: undefined,
}

function readable<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw refused(describeError(error), {}, error)
  }
}

function readAuthorities(pem: string): readonly ForeignCertificate[] {
  try {
    const authorities = readForeignCertificates(pem)
    if (authorities.length > 0 && authorities.every(({ isCa }) => isCa)) return authorities
  } catch (cause) {
    throw unusable(cause)
  }
  throw unusable()
}

function unusable(cause?: unknown): MeshError {
  return new MeshError('WEFT_CONFIG_INVALID', 'authorities of an attestor are no certificates of authorities', {
    cause,
  })
}
