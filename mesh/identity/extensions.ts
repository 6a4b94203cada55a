import {
  bitString,
  booleanOf,
  bytesOf,
  childrenOf,
  DerError,
  decode,
  type Element,
  encode,
  integer,
  isTagged,
  isType,
  oid,
  oidOf,
  primitive,
  sequence,
  tag,
  tagged,
  taggedBytes,
} from './der.ts'

/** What the extensions of a certificate say (RFC 5280 section 4.2), as far as the mesh understands them. */
export interface Extensions {
  /** URI names of the subject alternative name, in order. */
  readonly uris: readonly string[]
  readonly isCa: boolean
  /** How many issuing certificates may follow below; absent means any number. */
  readonly pathLength?: number
  /** Absent when the certificate does not limit its key. */
  readonly keyUsage?: ReadonlySet<KeyUsage>
  /** Extended key usages as OIDs; absent when not limited. */
  readonly extendedKeyUsage?: readonly string[]
  readonly subjectKeyId?: Buffer
  readonly authorityKeyId?: Buffer
}

const keyUsages = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const

/** Bits of KeyUsage (RFC 5280 section 4.2.1.3) in their order. */
export type KeyUsage = (typeof keyUsages)[number]

/** Extended key usages (RFC 5280 section 4.2.1.12). */
export const extendedKeyUsages = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' } as const

const oids = {
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const

/** Writes the extensions as a SEQUENCE; `sanCritical` where the subject is empty (RFC 5280 section 4.2.1.6). */
export function encodeExtensions(extensions: Extensions, sanCritical: boolean): Element {
  const { uris, keyUsage, extendedKeyUsage, subjectKeyId, authorityKeyId } = extensions
  const parts = [extension(oids.basicConstraints, true, basicConstraints(extensions))]
  if (keyUsage !== undefined) parts.push(extension(oids.keyUsage, true, keyUsageBits(keyUsage)))
  if (extendedKeyUsage !== undefined) {
    parts.push(extension(oids.extendedKeyUsage, false, sequence(...extendedKeyUsage.map(oid))))
  }
  if (subjectKeyId !== undefined) {
    parts.push(extension(oids.subjectKeyId, false, primitive(tag.octetString, subjectKeyId)))
  }
  if (authorityKeyId !== undefined) {
    parts.push(extension(oids.authorityKeyId, false, sequence(tagged(0, authorityKeyId))))
  }
  if (uris.length > 0) {
    const names = uris.map(uri => tagged(6, Buffer.from(uri, 'ascii')))
    parts.push(extension(oids.subjectAltName, sanCritical, sequence(...names)))
  }
  return sequence(...parts)
}

/**
 * Reads a SEQUENCE of extensions. Throws {@link DerError} for a repeated one, for a critical one that is not
 * understood here, and for name constraints, critical or not: ignoring those would widen what a CA may do.
 */
export function decodeExtensions(list: Element): Extensions {
  const found = new Map<string, Element>()
  for (const item of childrenOf(list, tag.sequence)) {
    const parts = childrenOf(item, tag.sequence)
    const critical = isType(parts[1], tag.boolean) && booleanOf(parts[1])
    const value = parts[isType(parts[1], tag.boolean) ? 2 : 1]
    const name = oidOf(parts[0])
    if (parts.at(-1) !== value) throw new DerError(`extension ${name} has additional parts`)
    if (found.has(name)) throw new DerError(`extension ${name} is repeated`)
    const bytes = bytesOf(value, tag.octetString)
    if (name === oids.nameConstraints) throw new DerError('name constraints are not supported')
    if (Object.values<string>(oids).includes(name)) found.set(name, decode(bytes))
    else if (critical) throw new DerError(`critical extension ${name} is not understood`)
  }
  const keyUsage = found.get(oids.keyUsage)
  const extendedKeyUsage = found.get(oids.extendedKeyUsage)
  const subjectKeyId = found.get(oids.subjectKeyId)
  const authorityKeyId = readAuthorityKeyId(found.get(oids.authorityKeyId))
  return {
    uris: readUris(found.get(oids.subjectAltName)),
    ...readBasicConstraints(found.get(oids.basicConstraints)),
    ...(keyUsage && { keyUsage: readKeyUsage(keyUsage) }),
    ...(extendedKeyUsage && { extendedKeyUsage: childrenOf(extendedKeyUsage, tag.sequence).map(oidOf) }),
    ...(subjectKeyId && { subjectKeyId: bytesOf(subjectKeyId, tag.octetString) }),
    ...(authorityKeyId && { authorityKeyId }),
  }
}

function extension(name: string, critical: boolean, value: Element): Element {
  const flag = critical ? [primitive(tag.boolean, Uint8Array.of(0xff))] : []
  return sequence(oid(name), ...flag, primitive(tag.octetString, encode(value)))
}

function basicConstraints(extensions: Extensions): Element {
  if (!extensions.isCa) return sequence()
  const limit = extensions.pathLength === undefined ? [] : [integer(Uint8Array.of(extensions.pathLength))]
  return sequence(primitive(tag.boolean, Uint8Array.of(0xff)), ...limit)
}

function readBasicConstraints(element: Element | undefined): { isCa: boolean; pathLength?: number } {
  if (element === undefined) return { isCa: false }
  const [first, second, ...more] = childrenOf(element, tag.sequence)
  if (first === undefined) return { isCa: false }
  const isCa = booleanOf(first)
  if (more.length > 0) throw new DerError('basic constraints have additional parts')
  if (second === undefined) return { isCa }
  const [pathLength = 0, ...rest] = bytesOf(second, tag.integer)
  if (!isCa || rest.length > 0 || pathLength > 127) throw new DerError('path length is malformed')
  return { isCa, pathLength }
}

/** The named bits, most significant first; DER drops trailing zero bits (X.690 section 11.2.2). */
function keyUsageBits(usages: ReadonlySet<KeyUsage>): Element {
  let bits = 0
  for (const [at, usage] of keyUsages.slice(0, 8).entries()) if (usages.has(usage)) bits |= 0x80 >> at
  let unused = 0
  while (unused < 7 && ((bits >> unused) & 1) === 0) unused += 1
  return bitString(Uint8Array.of(bits), unused)
}

function readKeyUsage(element: Element): ReadonlySet<KeyUsage> {
  const [unused = 8, ...bytes] = bytesOf(element, tag.bitString)
  if (unused > 7 || bytes.length > 2) throw new DerError('key usage is malformed')
  const has = (at: number) => (((bytes[at >> 3] ?? 0) << (at & 7)) & 0x80) !== 0
  return new Set(keyUsages.filter((_, at) => has(at)))
}

function readUris(element: Element | undefined): string[] {
  if (element === undefined) return []
  const names = childrenOf(element, tag.sequence)
  return names.filter(name => isTagged(name, 6, false)).map(name => taggedBytes(name, 6).toString('latin1'))
}

function readAuthorityKeyId(element: Element | undefined): Buffer | undefined {
  if (element === undefined) return undefined
  const keyId = childrenOf(element, tag.sequence).find(part => isTagged(part, 0, false))
  return keyId === undefined ? undefined : taggedBytes(keyId, 0)
}
