import { type Trust, trustOf } from '../model/trust.ts'
import { MeshError } from '../std/errors.ts'
import { checkTrustDomain } from './spiffe-id.ts'
import { parseCertificate } from './x509.ts'

/** Whom to believe. No roots means nobody; it never means everybody. */
export type TrustBundle = Trust

/** The bundle before the first contact: trusts nothing. */
export function emptyTrustBundle(trustDomain: string): TrustBundle {
  checkTrustDomain(trustDomain)
  return Object.freeze({ trustDomain, sequence: 0, roots: Object.freeze([]) })
}

/**
 * Takes over a newer bundle and returns it frozen, or the current one when nothing changed. Throws
 * WEFT_TRUST_BUNDLE when the new one is of another trust domain, older, different under the same sequence number, or
 * holds something that is no root; the caller then keeps the current one.
 */
export function advanceTrustBundle(current: TrustBundle, next: TrustBundle): TrustBundle {
  const fields = { trustDomain: next.trustDomain, sequence: next.sequence, current: current.sequence }
  if (next.trustDomain !== current.trustDomain) {
    throw new MeshError('WEFT_TRUST_BUNDLE', 'trust bundle is of another trust domain', {
      fields: { ...fields, expected: current.trustDomain },
    })
  }
  if (!Number.isSafeInteger(next.sequence) || next.sequence < current.sequence) {
    throw new MeshError('WEFT_TRUST_BUNDLE', 'trust bundle is older than the one in use', { fields })
  }
  if (next.sequence === current.sequence) {
    if (JSON.stringify(trustOf(current)) === JSON.stringify(trustOf(next))) return current
    throw new MeshError('WEFT_TRUST_BUNDLE', 'trust bundle changed without a new sequence number', { fields })
  }
  for (const root of next.roots) checkRoot(root, fields)
  return Object.freeze({ ...trustOf(next), roots: Object.freeze([...next.roots]) })
}

function checkRoot(pem: string, fields: Record<string, unknown>): void {
  let isRoot: boolean
  try {
    const root = parseCertificate(pem)
    isRoot = root.isCa && root.issuer.equals(root.subject)
  } catch (cause) {
    throw new MeshError('WEFT_TRUST_BUNDLE', 'trust bundle holds a malformed certificate', { fields, cause })
  }
  if (!isRoot) throw new MeshError('WEFT_TRUST_BUNDLE', 'trust bundle holds a certificate that is no root', { fields })
}
