import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { integer, primitive, tag, tagged } from '../../../../mesh/identity/der.ts'
import { generateKeys } from '../../../../mesh/identity/keys.ts'
import { encodePem, parseCertificate, publicKeyOf } from '../../../../mesh/identity/x509.ts'
import {
  type Craft,
  craftCertificate,
  createTestCa,
  derOf,
  extensions,
  leafExtensions,
  time,
} from '../../../support/certificates.ts'

const refused = { name: 'MeshError', code: 'WEFT_CERTIFICATE_REFUSED' }
const web = 'spiffe://td/ns/default/sa/web'
const list = [...leafExtensions, extensions.san([6, web])]
const craft = (more: Partial<Craft> = {}) => craftCertificate({ extensions: list, ...more })

t.test('reads what Node and OpenSSL read', t => {
  const ca = createTestCa('td')
  for (const pem of [ca.root.certificatePem, ca.issuing.certificatePem, ca.leaf(web).pem]) {
    const [ours, theirs] = [parseCertificate(pem), new X509Certificate(pem)]
    t.equal(ours.serial, theirs.serialNumber.toLowerCase().replace(/^0+/, ''))
    t.equal(ours.notBefore, theirs.validFromDate.getTime())
    t.equal(ours.notAfter, theirs.validToDate.getTime())
    t.equal(ours.isCa, theirs.ca)
    t.equal(ours.uris.map(uri => `URI:${uri}`).join(', '), theirs.subjectAltName)
    t.same(ours.spki, theirs.publicKey.export({ type: 'spki', format: 'der' }))
    t.same(ours.der, theirs.raw)
    t.ok(publicKeyOf(ours).equals(theirs.publicKey))
    t.same(parseCertificate(theirs.raw), ours, 'the same from DER')
    t.equal(encodePem(theirs.raw), pem)
  }
  t.end()
})

t.test('tells CA certificates, their path lengths and key usages apart', t => {
  const ca = createTestCa('td')
  t.match(parseCertificate(ca.root.certificatePem), { isCa: true, keyUsage: new Set(['keyCertSign', 'cRLSign']) })
  t.notOk('pathLength' in parseCertificate(ca.root.certificatePem))
  t.match(parseCertificate(ca.issuing.certificatePem), { isCa: true, pathLength: 0 })
  t.match(parseCertificate(ca.leaf(web).pem), { isCa: false, keyUsage: new Set(['digitalSignature']) })
  t.end()
})

t.test('keeps names as the bytes they are', t => {
  const odd = ['spiffe://td/a\u0000b', 'spiffe://td/x, URI:spiffe://td/y', 'spiffe://td/\u00e9', '']
  const der = craftCertificate({
    extensions: [...leafExtensions, extensions.san(...odd.map(uri => [6, uri] as const))],
  })
  t.same(parseCertificate(der).uris, odd)
  t.end()
})

t.test('reads both kinds of times', t => {
  const read = (from: string, to: string) => {
    const { notBefore, notAfter } = parseCertificate(craft({ times: [time(from), time(to)] }))
    return [new Date(notBefore).toISOString(), new Date(notAfter).toISOString()]
  }
  t.same(read('500101000000Z', '491231235959Z'), ['1950-01-01T00:00:00.000Z', '2049-12-31T23:59:59.000Z'])
  t.same(read('20500101000000Z', '99991231235959Z'), ['2050-01-01T00:00:00.000Z', '9999-12-31T23:59:59.000Z'])
  const wrong = [
    '261301000000Z',
    '260230000000Z',
    '260101240000Z',
    '260101000060Z',
    '2601010000Z',
    '260101000000+0100',
    '20260101000000.5Z',
    '20260101000000',
    '260101000000z',
    '',
  ]
  for (const text of wrong) {
    t.throws(() => parseCertificate(craft({ times: [time(text), time('491231235959Z')] })), refused, text)
  }
  t.end()
})

t.test('refuses certificates of another shape', t => {
  const good = craft()
  t.ok(parseCertificate(good))
  const serial = (...bytes: number[]) => primitive(tag.integer, Uint8Array.from(bytes))
  const wrong: Record<string, Buffer> = {
    nothing: Buffer.alloc(0),
    'a trailing byte': Buffer.concat([good, Buffer.of(0)]),
    'a byte missing': good.subarray(0, -1),
    'version 1': craft({ version: tagged(0, [integer(Uint8Array.of(0))]) }),
    'no version': craft({ version: integer(Uint8Array.of(2)) }),
    'a negative serial number': craft({ serial: serial(0x81, 1) }),
    'an empty serial number': craft({ serial: serial() }),
    'a serial number of 21 bytes': craft({ serial: serial(...Array(21).fill(1)) }),
    'two algorithms': craft({ innerAlgorithm: '1.2.840.10045.4.3.3' }),
    'a unique identifier': craft({ extra: [tagged(1, Buffer.of(0, 1))] }),
    'the extensions twice': craft({ extra: [tagged(3, [])] }),
    'a path length without a CA': craft({ extensions: [extensions.basicConstraints(false, 0)] }),
    'an unreadable extension': craft({ extensions: [extensions.make('2.5.29.17', true, Buffer.of(0x30, 0x05))] }),
    'an extension of another type': craft({ extensions: [extensions.make('2.5.29.15', true, Buffer.of(5, 0))] }),
    'too many bytes': craft({ extensions: [...list, extensions.make('1.2.3', false, Buffer.alloc(17_000))] }),
    'an RSA signature named': craft({ innerAlgorithm: '1.2.840.113549.1.1.11' }),
    'an RSA key': selfSigned('rsa:2048'),
    'an Ed25519 key': selfSigned('ed25519'),
  }
  for (const [what, der] of Object.entries(wrong)) t.throws(() => parseCertificate(der), refused, what)
  t.end()
})

t.test('takes exactly one PEM block', t => {
  const pem = encodePem(craft())
  t.ok(parseCertificate(`\n${pem}\n`))
  const wrong = [
    '',
    'x',
    pem + pem,
    `x${pem}`,
    pem.replace('CERTIFICATE', 'X509'),
    pem.replace('\n', '\n!'),
    pem.slice(0, 99),
  ]
  for (const text of wrong) t.throws(() => parseCertificate(text), refused, text.slice(0, 40))
  t.end()
})

t.test('does not take a point that is not on the curve for a key', t => {
  const spki = generateKeys().publicKey.export({ type: 'spki', format: 'der' })
  const parsed = parseCertificate(craft())
  const off = Buffer.from(spki)
  off[off.length - 1] = (off.at(-1) ?? 0) ^ 1
  t.throws(() => publicKeyOf({ ...parsed, spki: off }), refused)
  t.end()
})

function selfSigned(newKey: string): Buffer {
  const args = ['req', '-x509', '-newkey', newKey, '-nodes', '-subj', '/CN=x', '-keyout', '/dev/null']
  return derOf(execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
}
