import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from 'node:crypto'
import { MeshError } from '../std/errors.ts'
import { encryptPrivateKey } from './encrypted-key.ts'

export interface KeyPair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/** A fresh P-256 key pair. */
export function generateKeys(): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
}

/**
 * The private key as PKCS#8 PEM (RFC 5958) for a file that only its owner can read; encrypted when a passphrase is
 * given.
 */
export function encodePrivateKey(privateKey: KeyObject, passphrase?: string): string {
  if (passphrase !== undefined) return encryptPrivateKey(privateKey, passphrase)
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** Whether a PEM private key is encrypted. */
export function isEncrypted(pem: string): boolean {
  return pem.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----')
}

/**
 * Reads a PKCS#8 PEM key, encrypted or not; only P-256 and P-384 are taken. Throws WEFT_STATE_CORRUPT when it is
 * malformed, of another kind, or the passphrase is missing or wrong.
 */
export function decodePrivateKey(pem: string, passphrase?: string): KeyPair {
  const encrypted = isEncrypted(pem)
  if (encrypted && passphrase === undefined) throw unreadable('private key is encrypted and no passphrase is given')
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey(encrypted ? { key: pem, passphrase: passphrase ?? '' } : { key: pem })
  } catch {
    // OpenSSL's own texts are left out: they say nothing to an operator.
    throw unreadable(encrypted ? 'private key cannot be decrypted with this passphrase' : 'private key is malformed')
  }
  if (!isMeshCurve(privateKey)) throw unreadable('private key is neither P-256 nor P-384')
  return { privateKey, publicKey: createPublicKey(privateKey) }
}

/** SHA-256 of the DER SubjectPublicKeyInfo (RFC 5280 section 4.1) of a public key or a PEM certificate, hex. */
export function spkiHash(source: KeyObject | string): string {
  const publicKey = typeof source === 'string' ? new X509Certificate(source).publicKey : source
  return createHash('sha256').update(encodePublicKey(publicKey)).digest('hex')
}

/** The public key as DER SubjectPublicKeyInfo. */
export function encodePublicKey(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' })
}

/** Whether the key lies on one of the curves the mesh accepts. */
export function isMeshCurve(key: KeyObject): boolean {
  const curve = key.asymmetricKeyDetails?.namedCurve
  return key.asymmetricKeyType === 'ec' && (curve === 'prime256v1' || curve === 'secp384r1')
}

function unreadable(message: string): MeshError {
  return new MeshError('WEFT_STATE_CORRUPT', message, { next: 'check the key file and the passphrase' })
}
