import { text } from '../../../registry-adapters/json.ts'
import { type AttestContext, type Attestor, checkEvidence, forEver, refused } from './attestor.ts'
import { jsonOf, pinnedCertificates, signedContentOf } from './documents.ts'

export interface AwsOptions {
  /** Certificates of the regions (AWS's page "AWS public certificates"), PEM: those that are not in it are not believed. */
  readonly certificates: string
  /** How long after the start of the instance its document is taken, milliseconds. */
  readonly maxAgeMs: number
}

/**
 * Instance identity documents of AWS in their RSA-2048 signature (PKCS #7), verified by pinned certificates. Whatever runs
 * on an instance can read its document, so that the first key of an instance is its only one.
 */
export function createAwsAttestor({ certificates, maxAgeMs }: AwsOptions): Attestor {
  const pinned = pinnedCertificates(certificates)
  return {
    async attest(evidence, context) {
      checkEvidence(evidence, context.signal)
      const signed = signedContentOf(evidence.payload)
      if (!pinned.some(({ x509 }) => signed.isSignedBy(x509.publicKey))) throw refused('document is not signed by aws')
      const document = jsonOf(signed)
      const account = text(document.accountId)
      const region = text(document.region)
      const instance = text(document.instanceId)
      if (account === '' || region === '' || instance === '') throw refused('document does not say its instance')
      const started = Date.parse(text(document.pendingTime))
      if (!Number.isFinite(started) || started > context.now + 300_000) throw refused('document has no usable time')
      const identity = `${account}/${region}/${instance}`
      if (context.now > started + maxAgeMs && !isKnown(context, identity)) {
        throw refused('instance has been running for too long to join', { started: document.pendingTime })
      }
      return {
        kind: 'aws',
        grade: 3,
        instance: identity,
        claims: {
          account,
          region,
          instance,
          zone: text(document.availabilityZone),
          image: text(document.imageId),
          instanceType: text(document.instanceType),
        },
        proof: { id: identity, expiresAt: forEver },
      }
    },
  }
}

/** A machine that comes back with its own key is as old as it is. */
function isKnown({ previous, keyHash }: AttestContext, instance: string): boolean {
  return previous?.keyHash === keyHash && previous.evidence?.kind === 'aws' && previous.evidence.instance === instance
}
