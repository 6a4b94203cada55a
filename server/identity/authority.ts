import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { issueLeaf, parseCertificate } from '../../mesh/identity/certificate.ts'
import { spkiHash } from '../../mesh/identity/keys.ts'
import type { TrustBundle } from '../../mesh/identity/trust-bundle.ts'
import type { Trust } from '../../mesh/model/trust.ts'
import type { Clock } from '../../mesh/std/clock.ts'
import { derived } from '../../mesh/std/derived.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import { type Ca, openCa } from './ca.ts'
import { type CaState, signingGeneration, trustOfState } from './ca-state.ts'
import { type IssuanceLog, maxLeafTtlMs, openIssuanceLog } from './issuance-log.ts'

/** A certificate with what a peer needs to verify it. */
export interface IssuedChain {
  /** Leaf, issuing certificate, and what is between it and the root, PEM. */
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
  /** What agents are told to believe now; frozen. */
  readonly trustBundle: TrustBundle
  /** SHA-256 of the public key (SPKI) of the root that signs now, hex: what join tokens carry. */
  readonly rootHash: string
  /**
   * Issues a leaf for the id, valid from a little before now for `ttlMs` (24 hours when left out), no longer than the
   * issuing certificate. Throws WEFT_SPIFFE_ID for an id that is none, WEFT_CSR_REFUSED for a key that belongs to
   * another node or to the authority, WEFT_BANNED for who is banned, WEFT_STORE when the issuance cannot be recorded.
   */
  issue(spiffeId: string, publicKey: KeyObject, ttlMs?: number, recipient?: Recipient): IssuedChain
}

/** An authority whose keys are here. */
export interface OwnAuthority extends Authority {
  readonly ca: Ca
  readonly issued: IssuanceLog
  /** {@link Authority.trustBundle}, followed. */
  readonly trust: Watch<Trust>
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
export async function openAuthority(options: AuthorityOptions, { clock, log }: AuthorityDeps): Promise<OwnAuthority> {
  const ca = openCa(options, { clock, log })
  const issued = openIssuanceLog({ folder: join(options.dataDir, 'issued'), now: clock.now(), log })
  const trust = derived([ca.state], () => trustOfState(ca.state.value)).watch

  return {
    trustDomain: options.trustDomain,
    ca,
    issued,
    trust,
    get trustBundle() {
      return trust.value
    },
    get rootHash() {
      return spkiHash(signingGeneration(ca.state.value).root)
    },
    issue(spiffeId, publicKey, ttlMs = defaultLeafTtlMs, recipient = theServer) {
      const now = clock.now()
      const keyHash = spkiHash(publicKey)
      const owner = issued.ownerOf(keyHash, now)
      refuseBanned(ca.state.value, spiffeId, recipient.node)
      const { issuing } = ca.signing()
      if (isKeyOfAuthority(keyHash, ca.state.value) || keyHash === spkiHash(issuing.certificatePem)) {
        throw new MeshError('WEFT_CSR_REFUSED', 'key belongs to the certificate authority', { fields: { spiffeId } })
      }
      if (owner !== undefined && owner !== recipient.node) {
        throw new MeshError('WEFT_CSR_REFUSED', 'key is in use by another node', {
          fields: { spiffeId, node: recipient.node },
          next: 'remove the state directory of the agent if the host is a copy of another, and join again',
        })
      }
      const life = Math.min(Math.max(ttlMs, 1000), maxLeafTtlMs)
      const leaf = issueLeaf({
        spiffeId,
        publicKey,
        issuer: issuing,
        notBefore: now - Math.min(backdateMs, life / 10),
        notAfter: now + life,
      })
      const { serial, notBefore, notAfter } = parseCertificate(leaf)
      issued.append({ at: now, ...recipient, identity: spiffeId, keyHash, serial, notBefore, notAfter })
      const { above = [] } = signingGeneration(ca.state.value)
      return { chain: [leaf, issuing.certificatePem, ...above], notAfter }
    },
  }
}

function refuseBanned({ bans }: CaState, identity: string, node: string): void {
  const ban = bans.find(({ subject }) => subject.name === (subject.kind === 'node' ? node : identity))
  if (ban === undefined) return
  throw new MeshError('WEFT_BANNED', `this ${ban.subject.kind} is banned`, { fields: { identity, node } })
}

function isKeyOfAuthority(keyHash: string, { roots, former }: CaState): boolean {
  return [...roots, ...former.map(({ root }) => root)].some(root => spkiHash(root) === keyHash)
}
