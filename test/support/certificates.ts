import { type KeyObject, sign, X509Certificate } from 'node:crypto'
import { type Issuer, issueCa, issueLeaf } from '../../mesh/identity/certificate.ts'
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
} from '../../mesh/identity/der.ts'
import { encodePublicKey, generateKeys, type KeyPair } from '../../mesh/identity/keys.ts'

const day = 24 * 3_600_000

/** A root and an issuing certificate made by Weft itself, for tests. */
export function createTestCa(trustDomain: string, now = Date.now()) {
  const [rootKeys, issuingKeys] = [generateKeys(), generateKeys()]
  const validity = { notBefore: now - 60_000, notAfter: now + 30 * day }
  const rootPem = issueCa({ trustDomain, keys: rootKeys, ...validity })
  const root: Issuer = { certificatePem: rootPem, privateKey: rootKeys.privateKey }
  const issuingPem = issueCa({ trustDomain, keys: issuingKeys, issuer: root, ...validity })
  const issuing: Issuer = { certificatePem: issuingPem, privateKey: issuingKeys.privateKey }
  return {
    root,
    issuing,
    /** A leaf, its keys and its chain in DER. */
    leaf(spiffeId: string, keys: KeyPair = generateKeys()) {
      const times = { notBefore: now - 60_000, notAfter: now + day }
      const pem = issueLeaf({ spiffeId, publicKey: keys.publicKey, issuer: issuing, ...times })
      return { pem, keys, chain: [derOf(pem), derOf(issuingPem)] }
    },
  }
}

/** The DER of a PEM certificate. */
export function derOf(pem: string): Buffer {
  return new X509Certificate(pem).raw
}

/** Extensions for {@link craftCertificate}. */
export const extensions = {
  make: (name: string, critical: boolean, value: Element | Buffer) =>
    sequence(
      oid(name),
      ...(critical ? [primitive(tag.boolean, Uint8Array.of(0xff))] : []),
      primitive(tag.octetString, value instanceof Uint8Array ? value : encode(value)),
    ),
  /** Each name with its tag: 1 mail, 2 DNS, 6 URI; any bytes. */
  san: (...names: readonly (readonly [number, string])[]) =>
    extensions.make(
      '2.5.29.17',
      true,
      sequence(...names.map(([kind, name]) => tagged(kind, Buffer.from(name, 'latin1')))),
    ),
  basicConstraints: (isCa: boolean, pathLength?: number) =>
    extensions.make(
      '2.5.29.19',
      true,
      sequence(
        ...(isCa ? [primitive(tag.boolean, Uint8Array.of(0xff))] : []),
        ...(pathLength === undefined ? [] : [integer(Uint8Array.of(pathLength))]),
      ),
    ),
  /** KeyUsage as bits, most significant first: 0x80 digitalSignature, 0x04 keyCertSign, 0x02 cRLSign. */
  keyUsage: (bits: number) => extensions.make('2.5.29.15', true, bitString(Uint8Array.of(bits), trailingZeros(bits))),
  extendedKeyUsage: (...names: readonly string[]) => extensions.make('2.5.29.37', false, sequence(...names.map(oid))),
} as const

export const both = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'] as const

/** What a well-made leaf has besides its names. */
export const leafExtensions = [
  extensions.basicConstraints(false),
  extensions.keyUsage(0x80),
  extensions.extendedKeyUsage(...both),
]

export interface Craft {
  readonly extensions: readonly Element[]
  readonly issuerName?: Element
  readonly subject?: Element
  readonly signer?: KeyObject
  readonly publicKey?: KeyObject
  readonly serial?: Element
  readonly version?: Element
  readonly times?: readonly [Element, Element]
  readonly innerAlgorithm?: string
  readonly hash?: string
  readonly extra?: readonly Element[]
}

/** A certificate with any parts one likes, signed properly: what Weft would never issue. DER. */
export function craftCertificate(craft: Craft): Buffer {
  const keys = generateKeys()
  const subject = craft.subject ?? sequence()
  const algorithm = sequence(oid('1.2.840.10045.4.3.2'))
  const tbs = sequence(
    craft.version ?? tagged(0, [integer(Uint8Array.of(2))]),
    craft.serial ?? integer(Uint8Array.of(1, 2, 3)),
    craft.innerAlgorithm === undefined ? algorithm : sequence(oid(craft.innerAlgorithm)),
    craft.issuerName ?? subject,
    sequence(...(craft.times ?? [time('200101000000Z'), time('491231235959Z')])),
    subject,
    decode(encodePublicKey(craft.publicKey ?? keys.publicKey)),
    ...(craft.extra ?? []),
    tagged(3, [sequence(...craft.extensions)]),
  )
  const signature = sign(craft.hash ?? 'sha256', encode(tbs), craft.signer ?? keys.privateKey)
  return encode(sequence(tbs, algorithm, bitString(signature)))
}

/** UTCTime for 13 characters, GeneralizedTime for others. */
export function time(text: string): Element {
  return primitive(text.length === 13 ? tag.utcTime : tag.generalizedTime, text)
}

/** A name with one common name. */
export function named(commonName: string): Element {
  return sequence(setOf(sequence(oid('2.5.4.3'), primitive(tag.utf8String, commonName))))
}

function trailingZeros(bits: number): number {
  return bits === 0 ? 0 : Math.clz32(bits & -bits) ^ 31
}
