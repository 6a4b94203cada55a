import { createCipheriv, type KeyObject, randomBytes, scryptSync } from 'node:crypto'
import { encode, integer, oid, primitive, sequence, tag } from './der.ts'
import { pemBlock } from './pem.ts'

/** PBES2 (RFC 8018 section 6.2), scrypt (RFC 7914 section 7) and AES-256-CBC. */
const oids = {
  pbes2: '1.2.840.113549.1.5.13',
  scrypt: '1.3.6.1.4.1.11591.4.11',
  aes256Cbc: '2.16.840.1.101.3.4.1.42',
} as const

/** 16 MiB and five passes: what OpenSSL reads without raising its limits, and slow to guess at. */
const cost = { N: 16_384, r: 8, p: 5 } as const

/**
 * A private key as encrypted PKCS#8 PEM (RFC 5958 section 3), readable by `createPrivateKey` and by openssl. Written
 * here because Node's own export derives the key with 2048 rounds of PBKDF2, and has no setting for it.
 */
export function encryptPrivateKey(privateKey: KeyObject, passphrase: string): string {
  const salt = randomBytes(16)
  const iv = randomBytes(16)
  const key = scryptSync(passphrase, salt, 32, cost)
  const cipher = createCipheriv('aes-256-cbc', key, iv)
  const plain = privateKey.export({ type: 'pkcs8', format: 'der' })
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()])
  const derivation = sequence(
    oid(oids.scrypt),
    sequence(
      primitive(tag.octetString, salt),
      integer(Uint8Array.of(cost.N >> 8, cost.N & 0xff)),
      integer(Uint8Array.of(cost.r)),
      integer(Uint8Array.of(cost.p)),
    ),
  )
  const encryption = sequence(oid(oids.aes256Cbc), primitive(tag.octetString, iv))
  const algorithm = sequence(oid(oids.pbes2), sequence(derivation, encryption))
  return pemBlock('ENCRYPTED PRIVATE KEY', encode(sequence(algorithm, primitive(tag.octetString, sealed))))
}
