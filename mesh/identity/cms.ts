import { createHash, type KeyObject, verify } from 'node:crypto'
import { MeshError } from '../std/errors.ts'
import {
  bytesOf,
  childrenOf,
  DerError,
  decodeBer,
  type Element,
  encode,
  isTagged,
  octetsOf,
  oidOf,
  tag,
  taggedChildren,
} from './der.ts'

/** Signed data of one signer with its content in it (CMS, RFC 5652; PKCS #7). Nothing about it is verified yet. */
export interface SignedContent {
  readonly content: Buffer
  /** Certificates that came with it, DER. */
  readonly certificates: readonly Buffer[]
  /** Whether the content was signed by the holder of that key, with RSA or ECDSA and SHA-2. */
  isSignedBy(key: KeyObject): boolean
}

const oids = { signedData: '1.2.840.113549.1.7.2', messageDigest: '1.2.840.113549.1.9.4' } as const

const digests: ReadonlyMap<string, string> = new Map([
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
])

/** `rsaEncryption`, the RSA and ECDSA algorithms with SHA-2. */
const signatures = new Set([
  '1.2.840.113549.1.1.1',
  ...[11, 12, 13].map(last => `1.2.840.113549.1.1.${last}`),
  ...[2, 3, 4].map(last => `1.2.840.10045.4.3.${last}`),
])

/** Reads signed data, BER or DER. Throws WEFT_CERTIFICATE_REFUSED for anything else, and for other digests than SHA-2. */
export function readSignedContent(ber: Uint8Array): SignedContent {
  try {
    return read(ber)
  } catch (cause) {
    throw new MeshError('WEFT_CERTIFICATE_REFUSED', 'signed data cannot be read', { cause })
  }
}

function read(ber: Uint8Array): SignedContent {
  const [type, wrapped] = childrenOf(decodeBer(ber), tag.sequence)
  if (oidOf(type) !== oids.signedData) throw new DerError('not signed data')
  const [, , encapsulated, ...rest] = childrenOf(taggedChildren(wrapped, 0)[0], tag.sequence)
  const content = octetsOf(taggedChildren(childrenOf(encapsulated, tag.sequence)[1], 0)[0])
  const bag = rest.find(part => isTagged(part, 0, true))
  const [signer, ...others] = childrenOf(rest.at(-1), tag.set)
  if (signer === undefined || others.length > 0) throw new DerError('not of one signer')
  return {
    content,
    certificates: bag === undefined ? [] : taggedChildren(bag, 0).map(encode),
    isSignedBy: signatureOf(signer, content),
  }
}

function signatureOf(signer: Element, content: Buffer): (key: KeyObject) => boolean {
  const [, , digestAlgorithm, ...after] = childrenOf(signer, tag.sequence)
  const digest = digests.get(oidOf(childrenOf(digestAlgorithm, tag.sequence)[0]))
  if (digest === undefined) throw new DerError('digest is not SHA-2')
  const attributes = isTagged(after[0], 0, true) ? after[0] : undefined
  const [algorithm, signature] = attributes === undefined ? after : after.slice(1)
  if (!signatures.has(oidOf(childrenOf(algorithm, tag.sequence)[0])))
    throw new DerError('signature is not RSA or ECDSA')
  const bytes = octetsOf(signature)
  const signed = attributes === undefined ? content : signedAttributes(attributes, content, digest)
  return key =>
    (key.asymmetricKeyType === 'rsa' || key.asymmetricKeyType === 'ec') && verify(digest, signed, key, bytes)
}

/** What is signed instead of the content: a SET that has its digest in it (RFC 5652 section 5.4). */
function signedAttributes(attributes: Element, content: Buffer, digest: string): Buffer {
  const list = taggedChildren(attributes, 0)
  const values = list
    .map(attribute => childrenOf(attribute, tag.sequence))
    .filter(([name]) => oidOf(name) === oids.messageDigest)
    .map(([, set]) => bytesOf(childrenOf(set, tag.set)[0], tag.octetString))
  const [value, ...more] = values
  if (value === undefined || more.length > 0) throw new DerError('digest is missing')
  if (!value.equals(createHash(digest).update(content).digest())) throw new DerError('digest is of other content')
  // as a SET, not as the [0] that it stands in
  const der = encode(attributes)
  der[0] = 0x31
  return der
}
