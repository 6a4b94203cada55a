import { childrenOf, DerError, type Element, encode, oidOf, tag, wholeBitStringOf } from './der.ts'

const ecPublicKey = '1.2.840.10045.2.1'

/** Bytes of an uncompressed point (SEC 1 section 2.3.3) for each curve the mesh accepts. */
const pointBytes: ReadonlyMap<string, number> = new Map([
  ['1.2.840.10045.3.1.7', 65],
  ['1.3.132.0.34', 97],
])

/**
 * Checks that an element is the SubjectPublicKeyInfo of a P-256 or P-384 key (RFC 5480), curve by name and point
 * uncompressed, and gives what `createPublicKey` takes. One key has one spelling this way, so its hash identifies it.
 * Throws {@link DerError}.
 */
export function readPublicKey(spki: Element): { key: Buffer; format: 'der'; type: 'spki' } {
  const [algorithm, point, ...more] = childrenOf(spki, tag.sequence)
  const [name, curve, ...extra] = childrenOf(algorithm, tag.sequence)
  if (more.length > 0 || extra.length > 0 || oidOf(name) !== ecPublicKey) throw new DerError('not an EC public key')
  const size = pointBytes.get(oidOf(curve))
  const bytes = wholeBitStringOf(point)
  if (size === undefined) throw new DerError('key is neither P-256 nor P-384')
  if (bytes.length !== size || bytes[0] !== 4) throw new DerError('public key is not an uncompressed point')
  return { key: encode(spki), format: 'der', type: 'spki' }
}
