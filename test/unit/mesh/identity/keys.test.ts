import { execFileSync } from 'node:child_process'
import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import t from 'tap'
import { issueCa } from '../../../../mesh/identity/certificate.ts'
import {
  decodePrivateKey,
  encodePrivateKey,
  encodePublicKey,
  generateKeys,
  isEncrypted,
  isMeshCurve,
  type KeyPair,
  spkiHash,
} from '../../../../mesh/identity/keys.ts'

t.test('makes P-256 keys, a new one each time', t => {
  const [one, other] = [generateKeys(), generateKeys()]
  t.equal(one.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1')
  t.ok(fits(one, one))
  t.notOk(fits(one, other))
  t.end()
})

t.test('reads back a key it wrote, plain and encrypted', t => {
  const keys = generateKeys()
  const plain = encodePrivateKey(keys.privateKey)
  t.match(plain, /^-----BEGIN PRIVATE KEY-----\n/)
  t.notOk(isEncrypted(plain))
  t.ok(fits(decodePrivateKey(plain), keys))
  const sealed = encodePrivateKey(keys.privateKey, 'correct horse')
  t.ok(isEncrypted(sealed))
  t.ok(fits(decodePrivateKey(sealed, 'correct horse'), keys))
  t.not(sealed, encodePrivateKey(keys.privateKey, 'correct horse'), 'salted')
  t.end()
})

t.test('encrypts so that openssl can read it, with scrypt', t => {
  const sealed = encodePrivateKey(generateKeys().privateKey, 'pass word')
  const plain = execFileSync('openssl', ['pkey', '-passin', 'pass:pass word'], { input: sealed, encoding: 'utf8' })
  t.match(plain, /BEGIN PRIVATE KEY/)
  t.match(
    execFileSync('openssl', ['asn1parse'], { input: sealed, encoding: 'utf8' }),
    /PBES2[\s\S]*scrypt[\s\S]*aes-256-cbc/,
  )
  t.end()
})

t.test('refuses keys it cannot read, without quoting them', t => {
  const keys = generateKeys()
  const sealed = encodePrivateKey(keys.privateKey, 'right')
  const plain = encodePrivateKey(keys.privateKey)
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const secp256k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey
  const cases: readonly (readonly [string, string, string?])[] = [
    ['no passphrase', sealed],
    ['wrong passphrase', sealed, 'wrong'],
    ['empty', ''],
    ['cut short', plain.slice(0, 100)],
    ['a certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
    ['RSA', encodePrivateKey(rsa)],
    ['another curve', encodePrivateKey(secp256k1)],
  ]
  for (const [what, pem, passphrase] of cases) {
    t.throws(() => decodePrivateKey(pem, passphrase), { name: 'MeshError', code: 'WEFT_STATE_CORRUPT' }, what)
  }
  t.end()
})

t.test('hashes the public key the same way from a key and from its certificate', t => {
  const keys = generateKeys()
  const expected = createHash('sha256').update(encodePublicKey(keys.publicKey)).digest('hex')
  t.equal(spkiHash(keys.publicKey), expected)
  const pem = issueCa({ trustDomain: 'td', keys, notBefore: Date.now() - 1000, notAfter: Date.now() + 60_000 })
  t.equal(spkiHash(pem), expected)
  t.end()
})

t.test('accepts the curves P-256 and P-384 and no other key', t => {
  t.ok(isMeshCurve(generateKeys().publicKey))
  t.ok(isMeshCurve(generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey))
  t.notOk(isMeshCurve(generateKeyPairSync('ec', { namedCurve: 'secp521r1' }).publicKey))
  t.notOk(isMeshCurve(generateKeyPairSync('ed25519').publicKey))
  t.end()
})

function fits({ privateKey }: KeyPair, { publicKey }: KeyPair): boolean {
  return verify('sha256', Buffer.of(1), publicKey, sign('sha256', Buffer.of(1), privateKey))
}
