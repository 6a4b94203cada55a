import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { type Issuer, issueLeaf, parseCertificate } from '../../mesh/identity/certificate.ts'
import { spkiHash } from '../../mesh/identity/keys.ts'
import type { TrustBundle } from '../../mesh/identity/trust-bundle.ts'
import { checkSignedBy, checkValidity } from '../../mesh/identity/verify.ts'
import type { Clock } from '../../mesh/std/clock.ts'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { type CaOptions, createCa, hasCa, loadCa, renewIssuing } from './ca-files.ts'
import { maxLeafTtlMs, openIssuanceLog } from './issuance-log.ts'

/** A certificate with what a peer needs to verify it. */
export interface IssuedChain {
  /** Leaf, then issuing certificate, PEM. */
  readonly chain: readonly string[]
  /** Milliseconds since 1970. */
  readonly notAfter: number
}

/** For whom a certificate is, and why; it goes into the issuance log. */
export interface Recipient {
  /** The node that asks; empty for the server itself. */
  readonly node: string
  readonly evidence: string
}

/** The certificate authority of a mesh. It signs what it is told to: who may have what is decided by its callers. */
export interface Authority {
  readonly trustDomain: string
  /** Current roots; frozen. */
  readonly trustBundle: TrustBundle
  /** SHA-256 of the root's public key (SPKI), hex: what join tokens carry. */
  readonly rootHash: string
  /**
   * Issues a leaf for the id, valid from a little before now for `ttlMs` (24 hours when left out), no longer than the
   * issuing certificate. Throws WEFT_SPIFFE_ID for an id that is none, WEFT_CSR_REFUSED for a key that belongs to
   * another node or to the authority, WEFT_STORE when the issuance cannot be recorded.
   */
  issue(spiffeId: string, publicKey: KeyObject, ttlMs?: number, recipient?: Recipient): IssuedChain
}

export interface AuthorityDeps {
  readonly clock: Clock
  readonly log: Log
}

export interface AuthorityOptions {
  /** The authority lives in its folders `ca` and `issued`. */
  readonly dataDir: string
  readonly trustDomain: string
  /** Encrypts the private keys at rest. */
  readonly passphrase?: string
}

/** Life of a leaf when nothing else is asked for, in milliseconds. */
export const defaultLeafTtlMs = 24 * 3_600_000
/** Leaves begin this much before they are issued, for hosts whose clocks are behind; less for very short lives. */
const backdateMs = 120_000

const theServer: Recipient = { node: '', evidence: 'server' }

/**
 * Opens the authority of a data directory, making root and issuing certificate at the first start. Throws
 * WEFT_STATE_CORRUPT, WEFT_CONFIG_INVALID (see {@link loadCa}) or WEFT_CERTIFICATE_REFUSED when the root is not valid
 * now: the server then must not start.
 */
export async function openAuthority(options: AuthorityOptions, { clock, log }: AuthorityDeps): Promise<Authority> {
  const at = (): CaOptions => ({ ...options, now: clock.now() })
  if (!hasCa(options.dataDir)) {
    create(at())
    log.info('certificate authority created', { trustDomain: options.trustDomain })
  }
  const { root, issuing: first, bundle } = loadCa(at())
  const issued = openIssuanceLog({ folder: join(options.dataDir, 'issued'), now: clock.now(), log })
  const caKeys = new Set([spkiHash(root.certificatePem)])
  let issuing = first

  /** The issuing certificate, replaced at half of its life. */
  const current = (): Issuer => {
    const { notBefore, notAfter } = parseCertificate(issuing.certificatePem)
    if (clock.now() <= (notBefore + notAfter) / 2) return issuing
    try {
      issuing = renewIssuing(root, at())
      log.info('issuing certificate renewed', { previousNotAfter: new Date(notAfter).toISOString() })
    } catch (error) {
      log.error('issuing certificate cannot be renewed, the old one stays in use', {
        notAfter: new Date(notAfter).toISOString(),
        error: describeError(error),
      })
    }
    return issuing
  }
  checkOwnChain(current(), root, bundle, clock.now())

  return {
    trustDomain: options.trustDomain,
    trustBundle: bundle,
    rootHash: spkiHash(root.certificatePem),
    issue(spiffeId, publicKey, ttlMs = defaultLeafTtlMs, recipient = theServer) {
      const now = clock.now()
      const keyHash = spkiHash(publicKey)
      const owner = issued.ownerOf(keyHash, now)
      if (caKeys.has(keyHash) || keyHash === spkiHash(issuing.certificatePem)) {
        throw new MeshError('WEFT_CSR_REFUSED', 'key belongs to the certificate authority', { fields: { spiffeId } })
      }
      if (owner !== undefined && owner !== recipient.node) {
        throw new MeshError('WEFT_CSR_REFUSED', 'key is in use by another node', {
          fields: { spiffeId, node: recipient.node },
          next: 'remove the state directory of the agent if the host is a copy of another, and join again',
        })
      }
      const issuer = current()
      const life = Math.min(Math.max(ttlMs, 1000), maxLeafTtlMs)
      const leaf = issueLeaf({
        spiffeId,
        publicKey,
        issuer,
        notBefore: now - Math.min(backdateMs, life / 10),
        notAfter: now + life,
      })
      const { serial, notBefore, notAfter } = parseCertificate(leaf)
      issued.append({ at: now, ...recipient, identity: spiffeId, keyHash, serial, notBefore, notAfter })
      return { chain: [leaf, issuer.certificatePem], notAfter }
    },
  }
}

function create(options: CaOptions): void {
  try {
    createCa(options)
  } catch (cause) {
    if (cause instanceof MeshError) throw cause
    throw new MeshError('WEFT_STORE', 'certificate authority cannot be written', {
      fields: { dataDir: options.dataDir },
      cause,
    })
  }
}

/** What agents will check, checked first: a server with a wrong clock or a foreign file must not hand anything out. */
function checkOwnChain(issuing: Issuer, root: Issuer, bundle: TrustBundle, now: number): void {
  const [below, above] = [parseCertificate(issuing.certificatePem), parseCertificate(root.certificatePem)]
  checkValidity(above, now)
  checkValidity(below, now)
  checkSignedBy(below, above, 0)
  if (!bundle.roots.includes(root.certificatePem)) {
    throw new MeshError('WEFT_STATE_CORRUPT', 'root is not in the trust bundle', {
      next: 'restore the folder ca of the data directory from a backup',
    })
  }
}
