import asn1, { type Asn1 } from 'node-forge/lib/asn1.js'

/**
 * DER (X.690) as certificates need it: node-forge's ASN.1 layer with builders and readers that know the expected
 * type. Readers throw plain {@link DerError}s; the callers turn them into errors an operator understands.
 */
export type Element = Asn1

/** Bytes that are not the DER that was expected. */
export class DerError extends Error {
  override readonly name = 'DerError'
}

const universal = 0x00
const contextSpecific = 0x80

/** Universal tag numbers (X.680 section 8.4). */
export const tag = {
  boolean: 1,
  integer: 2,
  bitString: 3,
  octetString: 4,
  oid: 6,
  utf8String: 12,
  sequence: 16,
  set: 17,
  utcTime: 23,
  generalizedTime: 24,
} as const

/** A certificate nests about ten deep; anything deeper is an attack. */
const maxDepth = 24

/** Encodes an element. */
export function encode(element: Element): Buffer {
  return Buffer.from(asn1.toDer(element).getBytes(), 'latin1')
}

/**
 * Decodes bytes that are exactly one DER element. BER's other spellings (long lengths, indefinite lengths, padded
 * integers) are refused by comparing with what the encoder writes, so that `encode` of any part gives back the very
 * bytes that were signed.
 */
export function decode(der: Uint8Array): Element {
  const text = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('latin1')
  let element: Element
  let again: string
  try {
    element = asn1.fromDer(text, { strict: true, parseAllBytes: true, decodeBitStrings: false, maxDepth })
    again = asn1.toDer(element).getBytes()
  } catch {
    throw new DerError('not ASN.1')
  }
  if (again !== text) throw new DerError('not in distinguished encoding')
  return element
}

/**
 * Decodes one element of BER, which is what CMS may be written in: lengths of any form, and octets in pieces. What of it
 * is signed, is signed in DER (RFC 5652 section 5.4), which `encode` gives whatever it was read from.
 */
export function decodeBer(ber: Uint8Array): Element {
  const text = Buffer.from(ber.buffer, ber.byteOffset, ber.byteLength).toString('latin1')
  try {
    return asn1.fromDer(text, { strict: true, parseAllBytes: true, decodeBitStrings: false, maxDepth })
  } catch {
    throw new DerError('not ASN.1')
  }
}

/** The bytes of an OCTET STRING that may be in pieces (X.690 section 8.7). */
export function octetsOf(element: Element | undefined): Buffer {
  if (element?.tagClass !== universal || element.type !== tag.octetString) throw new DerError('expected octets')
  if (typeof element.value === 'string') return Buffer.from(element.value, 'latin1')
  return Buffer.concat(element.value.map(octetsOf))
}

/** SEQUENCE. */
export function sequence(...parts: Element[]): Element {
  return asn1.create(universal, tag.sequence, true, parts)
}

/** SET with one member, as in names; more would need sorting. */
export function setOf(part: Element): Element {
  return asn1.create(universal, tag.set, true, [part])
}

/** A primitive element of a universal type. */
export function primitive(type: number, value: Uint8Array | string): Element {
  return asn1.create(universal, type, false, typeof value === 'string' ? value : binary(value))
}

/** INTEGER from big-endian magnitude bytes; always positive. */
export function integer(magnitude: Uint8Array): Element {
  const bytes = [...magnitude]
  while (bytes.length > 1 && bytes[0] === 0) bytes.shift()
  if (((bytes[0] ?? 0) & 0x80) !== 0) bytes.unshift(0)
  return primitive(tag.integer, Uint8Array.from(bytes))
}

/** OBJECT IDENTIFIER. */
export function oid(dotted: string): Element {
  return primitive(tag.oid, asn1.oidToDer(dotted).getBytes())
}

/** BIT STRING; `unused` counts the bits at the end that do not belong to it. */
export function bitString(bytes: Uint8Array, unused = 0): Element {
  return primitive(tag.bitString, String.fromCharCode(unused) + binary(bytes))
}

/** `[n]`: constructed around elements, or primitive with the bytes of an implicit type. */
export function tagged(number: number, value: readonly Element[] | Uint8Array): Element {
  if (value instanceof Uint8Array) return asn1.create(contextSpecific, number, false, binary(value))
  return asn1.create(contextSpecific, number, true, [...value])
}

/** The elements within a SEQUENCE, SET or constructed `[n]`. */
export function childrenOf(element: Element | undefined, type: number): readonly Element[] {
  if (element?.tagClass !== universal || element.type !== type || typeof element.value === 'string') {
    throw new DerError(`expected a constructed element of type ${type}`)
  }
  return element.value
}

/** The bytes of a primitive element of a universal type. */
export function bytesOf(element: Element | undefined, type: number): Buffer {
  if (element?.tagClass !== universal || element.type !== type || typeof element.value !== 'string') {
    throw new DerError(`expected a primitive element of type ${type}`)
  }
  return Buffer.from(element.value, 'latin1')
}

/** Whether the element is a universal one of this type. */
export function isType(element: Element | undefined, type: number): boolean {
  return element?.tagClass === universal && element.type === type
}

/** Whether the element is `[n]`, constructed or primitive. */
export function isTagged(element: Element | undefined, number: number, constructed: boolean): boolean {
  return element?.tagClass === contextSpecific && element.type === number && element.constructed === constructed
}

/** The elements within a constructed `[n]`. */
export function taggedChildren(element: Element | undefined, number: number): readonly Element[] {
  if (!isTagged(element, number, true) || typeof element?.value === 'string') {
    throw new DerError(`expected [${number}] around elements`)
  }
  return element?.value ?? []
}

/** The bytes of a primitive `[n]`. */
export function taggedBytes(element: Element | undefined, number: number): Buffer {
  if (!isTagged(element, number, false) || typeof element?.value !== 'string') {
    throw new DerError(`expected [${number}] with bytes`)
  }
  return Buffer.from(element.value, 'latin1')
}

/** OBJECT IDENTIFIER, dotted. */
export function oidOf(element: Element | undefined): string {
  const bytes = bytesOf(element, tag.oid)
  // An empty one, one that stops within an arc, or one with arcs beyond 2^28 has no dotted form worth comparing.
  const last = bytes.at(-1)
  if (last === undefined || (last & 0x80) !== 0 || bytes.length > 32)
    throw new DerError('object identifier is malformed')
  return asn1.derToOid(binary(bytes))
}

/** BOOLEAN; DER knows only 0x00 and 0xff. */
export function booleanOf(element: Element | undefined): boolean {
  const [value, ...more] = bytesOf(element, tag.boolean)
  if (more.length > 0 || (value !== 0 && value !== 0xff)) throw new DerError('boolean is malformed')
  return value === 0xff
}

/** BIT STRING whose bits fill whole bytes. */
export function wholeBitStringOf(element: Element | undefined): Buffer {
  const bytes = bytesOf(element, tag.bitString)
  if (bytes[0] !== 0) throw new DerError('bit string does not fill whole bytes')
  return bytes.subarray(1)
}

function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
