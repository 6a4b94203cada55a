import { readSignedContent, type SignedContent } from '../../../mesh/identity/cms.ts'
import { type ForeignCertificate, readForeignCertificates } from '../../../mesh/identity/foreign-certificate.ts'
import { describeError, MeshError } from '../../../mesh/std/errors.ts'
import { refused } from './attestor.ts'

/** Signed data in base64 as metadata services give it, with line ends or without. */
export function signedContentOf(base64: string): SignedContent {
  const text = base64.replaceAll(/\s+/g, '')
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw refused('document is not in base64')
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw refused('document is not in base64')
  return readable(() => readSignedContent(bytes))
}

/** The content as a JSON object; throws WEFT_EVIDENCE_REFUSED. */
export function jsonOf({ content }: SignedContent): Readonly<Record<string, unknown>> {
  const value: unknown = readable(() => JSON.parse(content.toString('utf8')))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused('document is no JSON object')
  return { ...value }
}

/** What `read` gives; what it throws is a reason to refuse. */
export function readable<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw refused(`document cannot be used: ${describeError(error)}`, {}, error)
  }
}

/** Certificates that are pinned; throws WEFT_CONFIG_INVALID for none. */
export function pinnedCertificates(pem: string): readonly ForeignCertificate[] {
  try {
    const certificates = readForeignCertificates(pem)
    if (certificates.length > 0) return certificates
  } catch (cause) {
    throw new MeshError('WEFT_CONFIG_INVALID', 'certificates of an attestor cannot be read', { cause })
  }
  throw new MeshError('WEFT_CONFIG_INVALID', 'an attestor has no certificates to verify with')
}
