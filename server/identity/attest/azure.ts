import {
  type ForeignCertificate,
  readForeignCertificate,
  verifyForeignChain,
} from '../../../mesh/identity/foreign-certificate.ts'
import { objectOf, text } from '../../../registry-adapters/json.ts'
import { type Attestor, checkEvidence, forEver, refused } from './attestor.ts'
import { jsonOf, pinnedCertificates, readable, signedContentOf } from './documents.ts'

export interface AzureOptions {
  /** Authorities, or intermediates of them, that Azure's signing certificates are below, PEM. */
  readonly authorities: string
  /** The DNS name that those certificates have, or are below: `metadata.azure.com`, another one in national clouds. */
  readonly domain: string
  /** Longest time since the document was made, milliseconds. */
  readonly maxAgeMs: number
}

const skewMs = 300_000

/**
 * Attested data of Azure's metadata service (PKCS #7): signed by a certificate of the metadata service that is below a
 * pinned authority. Whatever runs on a machine can ask for it, so that the first key of a machine is its only one.
 */
export function createAzureAttestor({ authorities, domain, maxAgeMs }: AzureOptions): Attestor {
  const pinned = pinnedCertificates(authorities)
  return {
    async attest(evidence, { now, signal }) {
      checkEvidence(evidence, signal)
      const signed = signedContentOf(evidence.payload)
      const certificates = readable(() => signed.certificates.map(readForeignCertificate))
      const signer = certificates.find(({ x509 }) => signed.isSignedBy(x509.publicKey))
      if (signer === undefined) throw refused('document is not signed by a certificate in it')
      readable(() => verifyForeignChain(signer, certificates, pinned, now))
      if (!isOf(signer, domain)) throw refused('document is not signed by the metadata service', { domain })
      const document = jsonOf(signed)
      const subscription = text(document.subscriptionId)
      const instance = text(document.vmId)
      if (subscription === '' || instance === '') throw refused('document does not say its machine')
      checkTimes(objectOf(document.timeStamp), now, maxAgeMs)
      return {
        kind: 'azure',
        grade: 3,
        instance: `${subscription}/${instance}`,
        claims: { subscription, instance, sku: text(document.sku) },
        proof: { id: `${subscription}/${instance}`, expiresAt: forEver },
      }
    },
  }
}

function isOf({ dnsNames }: ForeignCertificate, domain: string): boolean {
  return dnsNames.some(name => name === domain || name.endsWith(`.${domain}`))
}

function checkTimes(stamp: Readonly<Record<string, unknown>>, now: number, maxAgeMs: number): void {
  const createdAt = timeOf(text(stamp.createdOn))
  const expiresAt = timeOf(text(stamp.expiresOn))
  if (createdAt === undefined || expiresAt === undefined) throw refused('document has no usable time', { ...stamp })
  if (now < createdAt - skewMs || now > Math.min(expiresAt, createdAt + maxAgeMs)) {
    throw refused('document is too old', { ...stamp })
  }
}

/** `11/28/18 00:16:17 -0000`, as Azure writes it. */
function timeOf(written: string): number | undefined {
  const match = /^(\d\d)\/(\d\d)\/(\d\d) (\d\d):(\d\d):(\d\d) [-+]0000$/.exec(written)
  if (match === null) return undefined
  const [month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number)
  return Date.UTC(2000 + year, month - 1, day, hour, minute, second)
}
