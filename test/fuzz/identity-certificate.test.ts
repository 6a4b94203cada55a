import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { peerSpiffeId, verifyChain } from '../../mesh/identity/verify.ts'
import { encodePem, parseCertificate } from '../../mesh/identity/x509.ts'
import { craftCertificate, createTestCa, extensions, leafExtensions } from '../support/certificates.ts'
import { answerOf, asn1Bytes, mutationsOf } from '../support/fuzz.ts'

const web = 'spiffe://td/ns/default/sa/web'
const ca = createTestCa('td')
const [leaf = Buffer.alloc(0), issuing = Buffer.alloc(0)] = ca.leaf(web).chain
const refusedOnly = (answer: ReturnType<typeof answerOf>) =>
  'error' in answer && answer.error.code === 'WEFT_CERTIFICATE_REFUSED'

t.test('never takes a changed chain for a good one', t => {
  const ask = { roots: [ca.root.certificatePem], trustDomain: 'td', now: Date.now() }
  fc.assert(
    fc.property(mutationsOf(leaf), fc.boolean(), (bytes, below) => {
      if (bytes.equals(leaf)) return true
      return refusedOnly(answerOf(() => verifyChain({ ...ask, chain: below ? [leaf, bytes] : [bytes, issuing] })))
    }),
    { numRuns: 3000 },
  )
  t.end()
})

t.test('reads a changed certificate as OpenSSL does, or refuses it', t => {
  let read = 0
  fc.assert(
    fc.property(mutationsOf(leaf), bytes => {
      const answer = answerOf(() => parseCertificate(bytes))
      if ('error' in answer) return answer.error.code === 'WEFT_CERTIFICATE_REFUSED'
      read += 1
      const theirs = openssl(bytes)
      // OpenSSL looks into keys and names that are only kept as bytes here; what both read must be the same.
      if (theirs === undefined) return true
      const ours = answer.value
      return (
        ours.serial === theirs.serialNumber.toLowerCase().replace(/^0+/, '') &&
        ours.notAfter === theirs.validToDate.getTime() &&
        ours.isCa === theirs.ca
      )
    }),
    { numRuns: 5000 },
  )
  t.ok(read > 50, 'some were still certificates')
  t.end()
})

t.test('gives the name that OpenSSL sees, for any bytes in any names', t => {
  const name = fc.tuple(
    fc.constantFrom(1, 2, 6, 6, 6),
    fc.oneof(
      fc.constant(web),
      fc.string({ unit: 'binary-ascii' }),
      fc.string().map(text => `${web}${text}`),
    ),
  )
  let given = 0
  fc.assert(
    fc.property(fc.array(name, { maxLength: 3 }), names => {
      const der = craftCertificate({ extensions: [...leafExtensions, extensions.san(...names)] })
      const answer = answerOf(() => peerSpiffeId(der, 'td'))
      if ('error' in answer) return answer.error.code === 'WEFT_CERTIFICATE_REFUSED'
      given += 1
      const uris = names.filter(([kind]) => kind === 6)
      return (
        uris.length === 1 &&
        uris[0]?.[1] === answer.value &&
        (openssl(der)?.subjectAltName ?? '').includes(`URI:${answer.value}`)
      )
    }),
    { numRuns: 1500 },
  )
  t.ok(given > 20, 'some had one good name')
  t.end()
})

t.test('answers bytes and text of any kind with one kind of error', t => {
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 2000 }), asn1Bytes())
  fc.assert(
    fc.property(bytes, bytes => refusedOnly(answerOf(() => parseCertificate(bytes)))),
    { numRuns: 2000 },
  )
  const pem = fc.oneof(
    fc.string({ unit: 'binary' }),
    bytes.map(encodePem),
    mutationsOf(Buffer.from(encodePem(leaf))).map(changed => changed.toString('latin1')),
  )
  fc.assert(
    fc.property(pem, text => {
      const answer = answerOf(() => parseCertificate(text))
      return 'value' in answer || answer.error.code === 'WEFT_CERTIFICATE_REFUSED'
    }),
    { numRuns: 2000 },
  )
  t.end()
})

function openssl(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der)
  } catch {
    return undefined
  }
}
