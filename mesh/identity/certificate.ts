import { createHash, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto'
import { MeshError } from '../std/errors.ts'
import {
  bitString,
  decode,
  type Element,
  encode,
  integer,
  oid,
  primitive,
  sequence,
  setOf,
  tag,
  tagged,
} from './der.ts'
import { type Extensions, encodeExtensions, extendedKeyUsages } from './extensions.ts'
import { encodePublicKey, type KeyPair } from './keys.ts'
import { signatureOids } from './signature.ts'
import { checkTrustDomain, formatSpiffeId, parseSpiffeId } from './spiffe-id.ts'
import { checkLeaf, checkSignedBy } from './verify.ts'
import { type Certificate, encodePem, parseCertificate, publicKeyOf } from './x509.ts'

export { parseCertificate } from './x509.ts'

/** A certificate and the key that signs below it. */
export interface Issuer {
  readonly certificatePem: string
  readonly privateKey: KeyObject
}

interface Validity {
  /** Milliseconds since 1970; certificates know whole seconds, the rest is dropped. */
  readonly notBefore: number
  /** Milliseconds since 1970, cut to the issuer's own end. */
  readonly notAfter: number
  /** Hex, at most 19 bytes; 16 random bytes when left out. */
  readonly serial?: string
}

export interface IssueLeaf extends Validity {
  readonly spiffeId: string
  readonly publicKey: KeyObject
  readonly issuer: Issuer
}

export interface IssueCa extends Validity {
  readonly trustDomain: string
  readonly keys: KeyPair
  /** Absent for a root, which signs itself; an issuing certificate gets path length 0. */
  readonly issuer?: Issuer
}

/**
 * Issues the certificate of a SPIFFE id, PEM: empty subject, exactly one URI name (critical), for signatures of
 * clients and servers, no CA. What was signed is read back and checked before it is returned. Throws WEFT_SPIFFE_ID
 * for an id that is none, WEFT_CERTIFICATE_REFUSED when issuer and request do not make a valid certificate.
 */
export function issueLeaf(request: IssueLeaf): string {
  const id = parseSpiffeId(request.spiffeId)
  const issuer = parseCertificate(request.issuer.certificatePem)
  const extensions: Extensions = {
    uris: [formatSpiffeId(id)],
    isCa: false,
    keyUsage: new Set(['digitalSignature']),
    extendedKeyUsage: [extendedKeyUsages.serverAuth, extendedKeyUsages.clientAuth],
    subjectKeyId: keyIdOf(request.publicKey),
    authorityKeyId: issuer.subjectKeyId ?? keyIdOf(createPublicKey(request.issuer.privateKey)),
  }
  const pem = build(request, sequence(), request.publicKey, extensions, issuer, request.issuer.privateKey)
  const issued = parseCertificate(pem)
  checkSignedBy(issued, issuer, 0)
  if (checkLeaf(issued, id.trustDomain) !== request.spiffeId) throw refused('issued certificate has another identity')
  return pem
}

/**
 * Issues a CA certificate, PEM: a self-signed root, or with `issuer` an issuing certificate that may sign leaves
 * only. It names its trust domain as `spiffe://<trust-domain>` (X509-SVID section 4.2). Throws like
 * {@link issueLeaf}.
 */
export function issueCa(request: IssueCa): string {
  checkTrustDomain(request.trustDomain)
  const { publicKey, privateKey } = request.keys
  const isRoot = request.issuer === undefined
  const issuer = request.issuer && parseCertificate(request.issuer.certificatePem)
  const keyId = keyIdOf(publicKey)
  const extensions: Extensions = {
    uris: [`spiffe://${request.trustDomain}`],
    isCa: true,
    ...(!isRoot && { pathLength: 0 }),
    keyUsage: new Set(['keyCertSign', 'cRLSign']),
    subjectKeyId: keyId,
    authorityKeyId: issuer?.subjectKeyId ?? keyId,
  }
  // Names carry the key's hash: roots that overlap during a rotation must not share a name.
  const subject = commonName(`weft ${isRoot ? 'root' : 'issuing'} ${keyId.toString('hex').slice(0, 16)}`)
  const pem = build(request, subject, publicKey, extensions, issuer, request.issuer?.privateKey ?? privateKey)
  const issued = parseCertificate(pem)
  // An issuing certificate will stand between its issuer and the leaves it signs, which path length 0 forbids.
  checkSignedBy(issued, issuer ?? issued, isRoot ? 0 : 1)
  return pem
}

/**
 * Certifies the key of a root by another root, PEM, for as long as both are valid: who knows only the other root then
 * believes what is below the first. Throws like {@link issueLeaf}.
 */
export function crossSign(rootPem: string, by: Issuer): string {
  const [root, issuer] = [parseCertificate(rootPem), parseCertificate(by.certificatePem)]
  const publicKey = publicKeyOf(root)
  const keyId = root.subjectKeyId ?? keyIdOf(publicKey)
  const extensions: Extensions = {
    uris: root.uris,
    isCa: true,
    keyUsage: new Set(['keyCertSign', 'cRLSign']),
    subjectKeyId: keyId,
    authorityKeyId: issuer.subjectKeyId ?? keyIdOf(createPublicKey(by.privateKey)),
  }
  const { notBefore, notAfter } = root
  const pem = build({ notBefore, notAfter }, decode(root.subject), publicKey, extensions, issuer, by.privateKey)
  checkSignedBy(parseCertificate(pem), issuer, 2)
  return pem
}

function build(
  { notBefore, notAfter, serial }: Validity,
  subject: Element,
  publicKey: KeyObject,
  extensions: Extensions,
  issuer: Certificate | undefined,
  signingKey: KeyObject,
): string {
  const end = Math.min(notAfter, issuer?.notAfter ?? notAfter)
  if (!(notBefore < end)) throw refused('certificate would end before it begins')
  const isEmpty = Array.isArray(subject.value) && subject.value.length === 0
  const algorithm = sequence(oid(signatureOids.sha256))
  const tbs = sequence(
    tagged(0, [integer(Uint8Array.of(2))]),
    integer(serialBytes(serial)),
    algorithm,
    issuer === undefined ? subject : decode(issuer.subject),
    sequence(time(notBefore), time(end)),
    subject,
    decode(encodePublicKey(publicKey)),
    tagged(3, [encodeExtensions(extensions, isEmpty)]),
  )
  const signature = sign('sha256', encode(tbs), signingKey)
  return encodePem(encode(sequence(tbs, algorithm, bitString(signature))))
}

/** Random serials keep the bytes to be signed unpredictable; the first bit set keeps them from being zero. */
function serialBytes(serial: string | undefined): Uint8Array {
  if (serial === undefined) {
    const bytes = randomBytes(16)
    bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
    return bytes
  }
  const bytes = Buffer.from(serial.length % 2 === 0 ? serial : `0${serial}`, 'hex')
  if (!/^[0-9a-f]{1,38}$/.test(serial) || /^0+$/.test(serial)) throw refused('serial number is not positive hex')
  return bytes
}

/** The key identifier of RFC 7093 section 2 method 1: SHA-256 of the key's bits, cut to 160. */
function keyIdOf(publicKey: KeyObject): Buffer {
  const spki = decode(encodePublicKey(publicKey))
  const point = Array.isArray(spki.value) ? spki.value[1] : undefined
  if (typeof point?.value !== 'string') throw refused('public key is malformed')
  return createHash('sha256').update(point.value.slice(1), 'latin1').digest().subarray(0, 20)
}

function commonName(text: string): Element {
  return sequence(setOf(sequence(oid('2.5.4.3'), primitive(tag.utf8String, text))))
}

/** UTCTime until 2049, GeneralizedTime after (RFC 5280 section 4.1.2.5). */
function time(at: number): Element {
  const text = `${new Date(at).toISOString().replace(/[-:T]|\.\d+Z$/g, '')}Z`
  return Number(text.slice(0, 4)) < 2050 ? primitive(tag.utcTime, text.slice(2)) : primitive(tag.generalizedTime, text)
}

function refused(message: string): MeshError {
  return new MeshError('WEFT_CERTIFICATE_REFUSED', message)
}
