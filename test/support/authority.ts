import { type Issuer, issueCa, issueLeaf } from '../../mesh/identity/certificate.ts'
import { parseCsr } from '../../mesh/identity/csr.ts'
import { encodePrivateKey, generateKeys, spkiHash } from '../../mesh/identity/keys.ts'

/** A whole certificate authority for tests: root, issuing certificate, and leaves on request. */
export interface TestAuthority {
  readonly trustDomain: string
  /** PEM. */
  readonly root: string
  readonly rootHash: string
  /** The chain for a request, leaf first, without the root. */
  sign(identity: string, csr: Buffer, validity: Validity): string[]
  /** A key and its chain without a request; with the root at the end, as a server presents it. */
  issue(identity: string, validity: Validity): { readonly key: string; readonly chain: string }
}

interface Validity {
  readonly notBefore: number
  readonly notAfter: number
}

const yearMs = 365 * 24 * 3_600_000

/** Makes one that is valid for a year on both sides of `now`. */
export function testAuthority(now: number, trustDomain = 'mesh.test'): TestAuthority {
  const validity = { notBefore: now - yearMs, notAfter: now + yearMs }
  const rootKeys = generateKeys()
  const root = issueCa({ ...validity, trustDomain, keys: rootKeys })
  const keys = generateKeys()
  const issuer: Issuer = { certificatePem: root, privateKey: rootKeys.privateKey }
  const issuing = issueCa({ ...validity, trustDomain, keys, issuer })
  const leafIssuer: Issuer = { certificatePem: issuing, privateKey: keys.privateKey }
  return {
    trustDomain,
    root,
    rootHash: spkiHash(root),
    sign: (spiffeId, csr, times) => [
      issueLeaf({ ...times, spiffeId, publicKey: parseCsr(csr), issuer: leafIssuer }),
      issuing,
    ],
    issue(spiffeId, times) {
      const leaf = generateKeys()
      const pem = issueLeaf({ ...times, spiffeId, publicKey: leaf.publicKey, issuer: leafIssuer })
      return { key: encodePrivateKey(leaf.privateKey), chain: pem + issuing + root }
    },
  }
}
