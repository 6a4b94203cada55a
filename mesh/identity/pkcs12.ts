import { createHash, createHmac, type KeyObject, randomBytes } from 'node:crypto'
import { decode, type Element, encode, integer, oid, primitive, sequence, setOf, tag, tagged } from './der.ts'

/** RFC 7292 appendix D, PKCS #9 (RFC 2985), SHA-256. */
const oids = {
  data: '1.2.840.113549.1.7.1',
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certificateBag: '1.2.840.113549.1.12.10.1.3',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  localKeyId: '1.2.840.113549.1.9.21',
  sha256: '2.16.840.1.101.3.4.2.1',
} as const

const nullTag = 5
const macIterations = 10_000
/** Block and output of SHA-256, in bytes. */
const blockBytes = 64

export interface Pkcs12Parts {
  readonly privateKey: KeyObject
  /** DER, the leaf first; more that are to be in the file follow. */
  readonly certificates: readonly Uint8Array[]
  readonly passphrase: string
}

/**
 * A key with its certificates as PKCS#12 (RFC 7292), as Java and Windows take it: the key under PBES2 with AES-256-CBC,
 * the certificates in the open, the whole under an HMAC with SHA-256.
 */
export function encodePkcs12({ privateKey, certificates, passphrase }: Pkcs12Parts): Buffer {
  const cipher = { type: 'pkcs8', format: 'der', cipher: 'aes-256-cbc', passphrase } as const
  const keyId = createHash('sha1')
    .update(certificates[0] ?? '')
    .digest()
  const ofKey = setOf(sequence(oid(oids.localKeyId), setOf(primitive(tag.octetString, keyId))))
  const certificateBags = certificates.map((der, index) =>
    bag(oids.certificateBag, sequence(oid(oids.x509Certificate), tagged(0, [primitive(tag.octetString, der)])), [
      ...(index === 0 ? [ofKey] : []),
    ]),
  )
  const keyBag = bag(oids.shroudedKeyBag, decode(privateKey.export(cipher)), [ofKey])
  const safe = encode(sequence(data(sequence(...certificateBags)), data(sequence(keyBag))))
  return encode(
    sequence(
      integer(Uint8Array.of(3)),
      sequence(oid(oids.data), tagged(0, [primitive(tag.octetString, safe)])),
      mac(safe, passphrase),
    ),
  )
}

function bag(kind: string, value: Element, attributes: readonly Element[]): Element {
  return sequence(oid(kind), tagged(0, [value]), ...attributes)
}

function data(content: Element): Element {
  return sequence(oid(oids.data), tagged(0, [primitive(tag.octetString, encode(content))]))
}

function mac(safe: Buffer, passphrase: string): Element {
  const salt = randomBytes(16)
  const digest = createHmac('sha256', macKey(passphrase, salt)).update(safe).digest()
  return sequence(
    sequence(sequence(oid(oids.sha256), primitive(nullTag, '')), primitive(tag.octetString, digest)),
    primitive(tag.octetString, salt),
    integer(Uint8Array.of(macIterations >> 8, macIterations & 0xff)),
  )
}

/** RFC 7292 appendix B.2 for the purpose 3, a MAC key; one block of SHA-256 is all that is needed. */
function macKey(passphrase: string, salt: Buffer): Buffer {
  // BMPString with two zero bytes at the end: big-endian, and Node writes little-endian only.
  const password = Buffer.from(`${passphrase}\0`, 'utf16le').swap16()
  let key = Buffer.concat([Buffer.alloc(blockBytes, 3), filled(salt), filled(password)])
  for (let round = 0; round < macIterations; round += 1) key = createHash('sha256').update(key).digest()
  return key
}

/** Repeated up to whole blocks. */
function filled(bytes: Buffer): Buffer {
  return Buffer.alloc(Math.ceil(bytes.length / blockBytes) * blockBytes, bytes)
}
