import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { MeshError } from '../std/errors.ts'
import {
  bitString,
  bytesOf,
  childrenOf,
  decode,
  type Element,
  encode,
  integer,
  oid,
  oidOf,
  primitive,
  sequence,
  setOf,
  tag,
  tagged,
  taggedChildren,
  wholeBitStringOf,
} from './der.ts'
import { encodePublicKey, type KeyPair } from './keys.ts'
import { readPublicKey } from './public-key.ts'
import { signatureHashes, signatureOids } from './signature.ts'

/** Largest request that is looked at, in bytes. */
const maxCsrBytes = 8 * 1024

/**
 * A certificate signing request, PKCS#10 DER (RFC 2986): the public key and the proof that its owner asks, with no
 * attributes and an empty subject, or a common name where one is given. Everything else in the certificate is for whoever
 * signs to decide.
 */
export function createCsr(keys: KeyPair, commonName?: string): Buffer {
  const names = commonName === undefined ? [] : [setOf(sequence(oid('2.5.4.3'), primitive(tag.utf8String, commonName)))]
  const publicKey = decode(encodePublicKey(keys.publicKey))
  const info = sequence(integer(Uint8Array.of(0)), sequence(...names), publicKey, tagged(0, []))
  const signature = sign('sha256', encode(info), keys.privateKey)
  return encode(sequence(info, sequence(oid(signatureOids.sha256)), bitString(signature)))
}

/**
 * The public key of a request, once its signature proves possession. The subject is a wish and is ignored. Throws
 * WEFT_CSR_REFUSED for more than 8 KiB, anything but DER, trailing bytes, any attribute (extensions among them), a
 * key that is not P-256 or P-384, and a signature that is not by that key.
 */
export function parseCsr(der: Uint8Array): KeyObject {
  if (der.byteLength > maxCsrBytes) throw refused('certificate request is larger than 8 KiB')
  try {
    return readCsr(decode(der))
  } catch (cause) {
    if (cause instanceof MeshError) throw cause
    throw refused('certificate request is malformed', cause)
  }
}

function readCsr(csr: Element): KeyObject {
  const [info, algorithm, signature, ...more] = childrenOf(csr, tag.sequence)
  const [version, subject, spki, attributes, ...extra] = childrenOf(info, tag.sequence)
  if (info === undefined || spki === undefined || more.length > 0 || extra.length > 0) {
    throw refused('certificate request has missing or additional parts')
  }
  if (!bytesOf(version, tag.integer).equals(Buffer.of(0))) throw refused('certificate request is of another version')
  childrenOf(subject, tag.sequence)
  if (taggedChildren(attributes, 0).length > 0) throw refused('certificate request asks for more than a key')
  const [name, ...parameters] = childrenOf(algorithm, tag.sequence)
  const hash = signatureHashes.get(oidOf(name))
  if (hash === undefined || parameters.length > 0) throw refused('certificate request is signed by another algorithm')
  const publicKey = createPublicKey(readPublicKey(spki))
  if (!verify(hash, encode(info), publicKey, wholeBitStringOf(signature))) {
    throw refused('certificate request is not signed by its own key')
  }
  return publicKey
}

function refused(message: string, cause?: unknown): MeshError {
  return new MeshError('WEFT_CSR_REFUSED', message, { cause })
}
