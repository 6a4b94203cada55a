import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { createCsr, parseCsr } from '../../../../mesh/identity/csr.ts'
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
} from '../../../../mesh/identity/der.ts'
import { encodePublicKey, generateKeys, type KeyPair } from '../../../../mesh/identity/keys.ts'
import { named } from '../../../support/certificates.ts'

const refused = { name: 'MeshError', code: 'WEFT_CSR_REFUSED' }

t.test('gives the key of a request it made, and nothing but the key is in it', t => {
  const keys = generateKeys()
  const csr = createCsr(keys)
  t.same(encodePublicKey(parseCsr(csr)), encodePublicKey(keys.publicKey))
  const text = execFileSync('openssl', ['req', '-inform', 'DER', '-noout', '-verify', '-text'], {
    input: csr,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  t.match(text, /Subject:\s*\n/)
  t.notMatch(text, /X509v3/)
  t.end()
})

t.test('takes requests of openssl, whose names it ignores', t => {
  const folder = t.testdir({})
  for (const curve of ['P-256', 'P-384']) {
    openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      `ec_paramgen_curve:${curve}`,
      '-nodes',
      '-subj',
      '/CN=admin',
      '-keyout',
      `${folder}/key.pem`,
      '-outform',
      'DER',
      '-out',
      `${folder}/csr.der`,
    )
    t.equal(parseCsr(readFileSync(`${folder}/csr.der`)).asymmetricKeyType, 'ec', curve)
  }
  t.end()
})

t.test('refuses requests that ask for extensions', t => {
  const folder = t.testdir({})
  for (const extension of [
    'subjectAltName=URI:spiffe://td/ns/a/sa/b',
    'basicConstraints=CA:TRUE',
    'keyUsage=keyCertSign',
  ]) {
    openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      '/CN=x',
      '-addext',
      extension,
      '-keyout',
      `${folder}/key.pem`,
      '-outform',
      'DER',
      '-out',
      `${folder}/csr.der`,
    )
    t.throws(() => parseCsr(readFileSync(`${folder}/csr.der`)), { ...refused, message: /more than a key/ }, extension)
  }
  t.end()
})

t.test('refuses every key that is not P-256 or P-384', t => {
  const others: readonly (readonly [string, KeyPair, string | undefined])[] = [
    ['RSA 2048', generateKeyPairSync('rsa', { modulusLength: 2048 }), 'sha256'],
    ['RSA 512', generateKeyPairSync('rsa', { modulusLength: 512 }), 'sha256'],
    ['P-521', generateKeyPairSync('ec', { namedCurve: 'secp521r1' }), 'sha256'],
    ['secp256k1', generateKeyPairSync('ec', { namedCurve: 'secp256k1' }), 'sha256'],
    ['P-224', generateKeyPairSync('ec', { namedCurve: 'secp224r1' }), 'sha256'],
    ['Ed25519', generateKeyPairSync('ed25519'), undefined],
    [
      'P-256 with explicit parameters',
      generateKeyPairSync('ec', { namedCurve: 'prime256v1', paramEncoding: 'explicit' }),
      'sha256',
    ],
  ]
  for (const [what, keys, hash] of others) t.throws(() => parseCsr(craft({ keys, hash })), refused, what)
  t.end()
})

t.test('refuses points that are compressed or not on the curve', t => {
  const keys = generateKeys()
  const spki = encodePublicKey(keys.publicKey)
  const compressed = sequence(
    sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')),
    bitString(Buffer.concat([Buffer.of(2 + ((spki.at(-1) ?? 0) & 1)), spki.subarray(27, 59)])),
  )
  t.throws(() => parseCsr(craft({ keys, spki: compressed })), refused, 'compressed')
  const hybrid = Buffer.from(spki)
  hybrid[26] = 6 + ((spki.at(-1) ?? 0) & 1)
  t.throws(() => parseCsr(craft({ keys, spki: decode(hybrid) })), refused, 'hybrid')
  const off = Buffer.from(spki)
  off[off.length - 1] = (off.at(-1) ?? 0) ^ 1
  t.throws(() => parseCsr(craft({ keys, spki: decode(off) })), refused, 'off the curve')
  const infinity = sequence(sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')), bitString(Buffer.of(0)))
  t.throws(() => parseCsr(craft({ keys, spki: infinity })), refused, 'infinity')
  t.end()
})

t.test('refuses a request without proof of possession', t => {
  const [keys, stranger] = [generateKeys(), generateKeys()]
  t.throws(() => parseCsr(craft({ keys, signer: stranger })), { ...refused, message: /its own key/ })
  t.throws(() => parseCsr(craft({ keys, signature: Buffer.alloc(0) })), refused, 'no signature')
  t.throws(() => parseCsr(craft({ keys, signature: Buffer.alloc(64) })), refused, 'zeros')
  t.throws(() => parseCsr(craft({ keys, algorithm: '1.2.840.10045.4.1' })), refused, 'ECDSA with SHA-1')
  t.throws(() => parseCsr(craft({ keys, algorithm: '1.2.840.113549.1.1.11' })), refused, 'RSA named as algorithm')
  t.end()
})

t.test('refuses requests of another shape', t => {
  const keys = generateKeys()
  const good = createCsr(keys)
  const attribute = sequence(oid('1.2.840.113549.1.9.7'), setOf(primitive(tag.utf8String, 'challenge')))
  t.throws(() => parseCsr(craft({ keys, attributes: [tagged(0, [attribute])] })), refused, 'a challenge password')
  t.throws(() => parseCsr(craft({ keys, attributes: [] })), refused, 'no attributes at all')
  t.throws(() => parseCsr(craft({ keys, attributes: [tagged(0, []), tagged(1, [])] })), refused, 'a part too many')
  t.throws(() => parseCsr(craft({ keys, version: 1 })), refused, 'version')
  t.throws(() => parseCsr(Buffer.concat([good, Buffer.of(0)])), refused, 'trailing byte')
  t.throws(() => parseCsr(Buffer.concat([good, good])), refused, 'two requests')
  t.throws(() => parseCsr(good.subarray(0, -1)), refused, 'cut short')
  t.throws(() => parseCsr(Buffer.alloc(0)), refused, 'nothing')
  t.throws(() => parseCsr(Buffer.alloc(8193, 0x30)), { ...refused, message: /8 KiB/ })
  t.throws(() => parseCsr(craft({ keys, subject: named('x'.repeat(9000)) })), { ...refused, message: /8 KiB/ })
  t.throws(() => parseCsr(Buffer.alloc(8000, Buffer.of(0x30, 0x80))), refused, 'indefinite lengths, nested deeply')
  t.throws(() => parseCsr(Buffer.from(good.toString('base64'))), refused, 'text')
  t.end()
})

t.test('refuses lengths that are not in their shortest form', t => {
  const keys = generateKeys()
  const good = createCsr(keys)
  t.equal(good[1], 0x81, 'one length byte')
  const long = Buffer.concat([Buffer.of(0x30, 0x82, 0x00), good.subarray(2)])
  t.throws(() => parseCsr(long), refused, 'a length byte too many')
  t.end()
})

interface Craft {
  readonly keys: KeyPair
  readonly hash?: string | undefined
  readonly spki?: Element
  readonly signer?: KeyPair
  readonly signature?: Buffer
  readonly algorithm?: string
  readonly attributes?: readonly Element[]
  readonly version?: number
  readonly subject?: Element
}

function craft(it: Craft): Buffer {
  const info = sequence(
    integer(Uint8Array.of(it.version ?? 0)),
    it.subject ?? sequence(),
    it.spki ?? decode(encodePublicKey(it.keys.publicKey)),
    ...(it.attributes ?? [tagged(0, [])]),
  )
  const hash = 'hash' in it ? it.hash : 'sha256'
  const signature = it.signature ?? sign(hash, encode(info), (it.signer ?? it.keys).privateKey)
  return encode(sequence(info, sequence(oid(it.algorithm ?? '1.2.840.10045.4.3.2')), bitString(signature)))
}

function openssl(...args: readonly string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}
