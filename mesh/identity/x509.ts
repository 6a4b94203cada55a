import { createPublicKey, type KeyObject } from 'node:crypto'
import { MeshError } from '../std/errors.ts'
import {
  bytesOf,
  childrenOf,
  DerError,
  decode,
  type Element,
  encode,
  isType,
  oidOf,
  tag,
  taggedChildren,
  wholeBitStringOf,
} from './der.ts'
import { decodeExtensions, type Extensions } from './extensions.ts'
import { pemBlock } from './pem.ts'
import { readPublicKey } from './public-key.ts'
import { signatureHashes } from './signature.ts'

/** An X.509 v3 certificate (RFC 5280) taken apart. Nothing about it is verified yet. */
export interface Certificate extends Extensions {
  /** Milliseconds since 1970. */
  readonly notBefore: number
  /** Milliseconds since 1970; valid up to and including this second. */
  readonly notAfter: number
  /** Lower-case hex, without leading zeros. */
  readonly serial: string
  /** DER of the names, for comparing. */
  readonly issuer: Buffer
  readonly subject: Buffer
  /** DER SubjectPublicKeyInfo of a P-256 or P-384 key. */
  readonly spki: Buffer
  /** What was signed, with which hash, and the signature. */
  readonly signed: Buffer
  readonly hash: string
  readonly signature: Buffer
  readonly der: Buffer
}

/** Largest certificate that is looked at, in bytes. */
const maxCertificateBytes = 16 * 1024

/**
 * Takes a certificate apart, from DER or from one PEM block. Throws WEFT_CERTIFICATE_REFUSED when it is not an X.509
 * v3 certificate in DER with an EC key and an ECDSA signature, or has a critical extension that is not understood.
 */
export function parseCertificate(source: Uint8Array | string): Certificate {
  const der = typeof source === 'string' ? derOfPem(source) : Buffer.from(source)
  if (der.length > maxCertificateBytes) throw refused('certificate is larger than 16 KiB')
  try {
    return read(der)
  } catch (cause) {
    throw refused('certificate is malformed', cause)
  }
}

/** The public key of a parsed certificate; throws WEFT_CERTIFICATE_REFUSED when it is no point of its curve. */
export function publicKeyOf(certificate: Certificate): KeyObject {
  try {
    return createPublicKey({ key: certificate.spki, format: 'der', type: 'spki' })
  } catch {
    throw refused('certificate has no usable public key')
  }
}

/** A certificate as a PEM block. */
export function encodePem(der: Uint8Array): string {
  return pemBlock('CERTIFICATE', der)
}

function read(der: Buffer): Certificate {
  const [tbs, algorithm, signature, ...more] = childrenOf(decode(der), tag.sequence)
  if (tbs === undefined || algorithm === undefined || more.length > 0) throw new DerError('parts are missing')
  const [version, serial, inner, issuer, validity, subject, spki, extensions, ...extra] = childrenOf(tbs, tag.sequence)
  // Unique identifiers [1] and [2] would stand where the extensions are expected, and are refused with them.
  if (issuer === undefined || subject === undefined || spki === undefined || extra.length > 0) {
    throw new DerError('parts are missing')
  }
  const [v3, ...versions] = taggedChildren(version, 0)
  if (versions.length > 0 || !bytesOf(v3, tag.integer).equals(Buffer.of(2))) throw new DerError('not version 3')
  if (inner === undefined || !encode(inner).equals(encode(algorithm))) throw new DerError('algorithms differ')
  const [notBefore, notAfter, ...times] = childrenOf(validity, tag.sequence)
  const [list, ...lists] = taggedChildren(extensions, 3)
  if (list === undefined || lists.length > 0 || times.length > 0) throw new DerError('parts are missing')
  childrenOf(issuer, tag.sequence)
  childrenOf(subject, tag.sequence)
  return {
    ...decodeExtensions(list),
    notBefore: timeOf(notBefore),
    notAfter: timeOf(notAfter),
    serial: serialOf(serial),
    issuer: encode(issuer),
    subject: encode(subject),
    spki: readPublicKey(spki).key,
    signed: encode(tbs),
    hash: hashOf(algorithm),
    signature: wholeBitStringOf(signature),
    der,
  }
}

/** Positive, at most 20 octets (RFC 5280 section 4.1.2.2). */
function serialOf(element: Element | undefined): string {
  const bytes = bytesOf(element, tag.integer)
  const first = bytes[0]
  if (first === undefined || (first & 0x80) !== 0 || bytes.length > 20) throw new DerError('serial number is malformed')
  return bytes.toString('hex').replace(/^0+/, '')
}

function hashOf(algorithm: Element): string {
  const [name, ...parameters] = childrenOf(algorithm, tag.sequence)
  const hash = signatureHashes.get(oidOf(name))
  if (hash === undefined || parameters.length > 0) throw new DerError('signature algorithm is not ECDSA with SHA-2')
  return hash
}

/** UTCTime `YYMMDDHHMMSSZ` or GeneralizedTime `YYYYMMDDHHMMSSZ`, and no other form (RFC 5280 section 4.1.2.5). */
function timeOf(element: Element | undefined): number {
  const utc = isType(element, tag.utcTime)
  const text = bytesOf(element, utc ? tag.utcTime : tag.generalizedTime).toString('latin1')
  const match = (utc ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/).exec(
    text,
  )
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match?.slice(1).map(Number) ?? []
  const full = utc ? year + (year < 50 ? 2000 : 1900) : year
  const time = Date.UTC(full, month - 1, day, hour, minute, second)
  const back = Number.isFinite(time) ? new Date(time).toISOString().replace(/[-:T]|\.000/g, '') : ''
  if (match === null || !back.endsWith(text) || back.length !== 15) throw new DerError('time is malformed')
  return time
}

function derOfPem(pem: string): Buffer {
  const pattern = /^\s*-----BEGIN CERTIFICATE-----\s*([A-Za-z0-9+/\s]+={0,2})\s*-----END CERTIFICATE-----\s*$/
  const body = pem.length > maxCertificateBytes * 2 ? undefined : pattern.exec(pem)?.[1]
  if (body === undefined) throw refused('certificate is not one PEM block')
  return Buffer.from(body, 'base64')
}

function refused(message: string, cause?: unknown): MeshError {
  return new MeshError('WEFT_CERTIFICATE_REFUSED', message, { cause })
}
