import t from 'tap'
import { type Issuer, issueCa } from '../../../../mesh/identity/certificate.ts'
import { primitive, sequence, tagged } from '../../../../mesh/identity/der.ts'
import { generateKeys } from '../../../../mesh/identity/keys.ts'
import { peerSpiffeId, verifyChain } from '../../../../mesh/identity/verify.ts'
import { encodePem as toPem } from '../../../../mesh/identity/x509.ts'
import {
  both,
  craftCertificate,
  createTestCa,
  derOf,
  extensions,
  leafExtensions,
  named,
} from '../../../support/certificates.ts'

const web = 'spiffe://td/ns/default/sa/web'
const refused = { name: 'MeshError', code: 'WEFT_CERTIFICATE_REFUSED' }
const now = Date.now()
const ca = createTestCa('td', now)
const roots = [ca.root.certificatePem]
const ask = { roots, trustDomain: 'td', now }

t.test('gives the one SPIFFE id of a peer', t => {
  t.equal(peerSpiffeId(derOf(ca.leaf(web).pem), 'td'), web)
  t.equal(peerSpiffeId(derOf(ca.leaf('spiffe://td/mesh/agent/vm').pem), 'td'), 'spiffe://td/mesh/agent/vm')
  const foreign = craftCertificate({ extensions: [...leafExtensions, extensions.san([2, 'web.example'], [6, web])] })
  t.equal(peerSpiffeId(foreign, 'td'), web, 'names of other kinds do not matter')
  t.end()
})

t.test('refuses peers whose names leave any doubt', t => {
  const names: Record<string, readonly (readonly [number, string])[]> = {
    'no name': [],
    'only a DNS name that looks like one': [[2, web]],
    'only a mail name': [[1, web]],
    'two URIs': [
      [6, web],
      [6, 'spiffe://td/ns/default/sa/admin'],
    ],
    'the same URI twice': [
      [6, web],
      [6, web],
    ],
    'a URI that is no SPIFFE id, too': [
      [6, web],
      [6, 'https://example.com'],
    ],
    'a NUL after the id': [[6, `${web}\u0000`]],
    'a NUL within the id': [[6, `spiffe://td/ns/default/sa/web\u0000.evil`]],
    'a comma and another id': [[6, `${web}, URI:spiffe://td/ns/default/sa/admin`]],
    'a comma first': [[6, `spiffe://td/x, URI:${web}`]],
    'quotes as Node would write them': [[6, `"${web}\\u002c"`]],
    'upper-case scheme': [[6, web.replace('spiffe', 'SPIFFE')]],
    'upper-case trust domain': [[6, web.replace('td', 'TD')]],
    'a percent sign': [[6, 'spiffe://td/ns/default/sa/%77eb']],
    'a percent sign in the trust domain': [[6, 'spiffe://%74d/ns/default/sa/web']],
    'bytes above ASCII': [[6, 'spiffe://td/ns/default/sa/w\u00e9b']],
    'a port': [[6, 'spiffe://td:443/ns/default/sa/web']],
    'a dot segment': [[6, 'spiffe://td/ns/x/../default/sa/web']],
    'another trust domain': [[6, 'spiffe://other/ns/default/sa/web']],
    'a longer trust domain': [[6, 'spiffe://td.evil/ns/default/sa/web']],
    'the id of an issuer': [[6, 'spiffe://td']],
    'an empty URI': [[6, '']],
  }
  for (const [what, list] of Object.entries(names)) {
    const der = craftCertificate({ extensions: [...leafExtensions, extensions.san(...list)] })
    t.throws(() => peerSpiffeId(der, 'td'), refused, what)
  }
  const constructed = sequence(tagged(6, [primitive(22, web)]))
  const der = craftCertificate({ extensions: [...leafExtensions, extensions.make('2.5.29.17', true, constructed)] })
  t.throws(() => peerSpiffeId(der, 'td'), refused, 'a URI in constructed form')
  t.throws(() => peerSpiffeId(derOf(ca.leaf(web).pem), 'other'), refused, 'our own name in another trust domain')
  t.end()
})

t.test('refuses peers whose certificate is not for that', t => {
  const san = extensions.san([6, web])
  const [constraints, usage, extended] = leafExtensions
  if (constraints === undefined || usage === undefined || extended === undefined) throw new Error('unexpected')
  const lists = {
    'a CA': [extensions.basicConstraints(true), usage, extended, san],
    'no key usage': [constraints, extended, san],
    'key usage without signatures': [constraints, extensions.keyUsage(0x20), extended, san],
    'key usage with certificate signing': [constraints, extensions.keyUsage(0x84), extended, san],
    'key usage with revocation signing': [constraints, extensions.keyUsage(0x82), extended, san],
    'for servers only': [constraints, usage, extensions.extendedKeyUsage(both[0]), san],
    'for clients only': [constraints, usage, extensions.extendedKeyUsage(both[1]), san],
    'for mail only': [constraints, usage, extensions.extendedKeyUsage('1.3.6.1.5.5.7.3.4'), san],
    'an unknown critical extension': [...leafExtensions, san, extensions.make('1.2.3.4', true, Buffer.of(5, 0))],
    'critical policies': [...leafExtensions, san, extensions.make('2.5.29.32', true, sequence())],
    'name constraints': [...leafExtensions, san, extensions.make('2.5.29.30', false, sequence())],
    'the names twice': [...leafExtensions, san, san],
  }
  for (const [what, list] of Object.entries(lists)) {
    t.throws(() => peerSpiffeId(craftCertificate({ extensions: list }), 'td'), refused, what)
  }
  const harmless = extensions.make('1.2.3.4', false, Buffer.of(5, 0))
  t.equal(peerSpiffeId(craftCertificate({ extensions: [...leafExtensions, san, harmless] }), 'td'), web)
  t.equal(peerSpiffeId(craftCertificate({ extensions: [constraints, usage, san] }), 'td'), web, 'no extended usage')
  t.end()
})

t.test('verifies a chain up to a trusted root, sent or not', t => {
  const { chain } = ca.leaf(web)
  const id = { kind: 'workload', trustDomain: 'td', namespace: 'default', serviceAccount: 'web' }
  t.same(verifyChain({ ...ask, chain }), id)
  t.same(verifyChain({ ...ask, chain: [...chain, derOf(ca.root.certificatePem)] }), id)
  const others = createTestCa('td', now)
  t.same(verifyChain({ ...ask, chain, roots: [others.root.certificatePem, ...roots] }), id, 'two roots')
  t.end()
})

t.test('trusts nobody without roots, and no stranger', t => {
  const { chain } = ca.leaf(web)
  const stranger = createTestCa('td', now).leaf(web)
  t.throws(() => verifyChain({ ...ask, chain, roots: [] }), refused, 'no roots')
  t.throws(() => verifyChain({ ...ask, chain: [] }), refused, 'no chain')
  t.throws(() => verifyChain({ ...ask, chain: stranger.chain }), refused, 'another CA')
  t.throws(() => verifyChain({ ...ask, chain: chain.slice(0, 1) }), refused, 'no issuing certificate')
  t.throws(() => verifyChain({ ...ask, chain: [chain[0], stranger.chain[1]] as Buffer[] }), refused, 'mixed')
  t.throws(() => verifyChain({ ...ask, chain: [...chain].reverse() }), refused, 'wrong order')
  t.throws(() => verifyChain({ ...ask, chain: Array(5).fill(chain[0]) }), refused, 'too long')
  t.throws(() => verifyChain({ ...ask, chain, trustDomain: 'other' }), refused, 'another trust domain')
  t.throws(() => verifyChain({ ...ask, chain: [derOf(ca.root.certificatePem)] }), refused, 'the root itself')
  t.end()
})

t.test('does not let a trusted leaf be a root, nor issue', t => {
  const trusted = ca.leaf(web)
  t.throws(() => verifyChain({ ...ask, chain: trusted.chain.slice(0, 1), roots: [trusted.pem] }), refused)
  const below = craftCertificate({
    extensions: [...leafExtensions, extensions.san([6, 'spiffe://td/ns/default/sa/admin'])],
    issuerName: sequence(),
    signer: trusted.keys.privateKey,
  })
  t.throws(() => verifyChain({ ...ask, chain: [below, ...trusted.chain] }), { ...refused, message: /may not sign/ })
  t.end()
})

t.test('keeps an issuing certificate from making another one', t => {
  const keys = generateKeys()
  const validity = { notBefore: now - 1000, notAfter: now + 60_000 }
  t.throws(() => issueCa({ trustDomain: 'td', keys, issuer: ca.issuing, ...validity }), {
    ...refused,
    message: /longer than its issuer allows/,
  })
  const child = craftCertificate({
    extensions: [extensions.basicConstraints(true, 0), extensions.keyUsage(0x06)],
    subject: named('child'),
    publicKey: keys.publicKey,
    issuerName: named(caName(ca.issuing.certificatePem)),
    signer: ca.issuing.privateKey,
  })
  const leaf = craftCertificate({
    extensions: [...leafExtensions, extensions.san([6, web])],
    issuerName: named('child'),
    signer: keys.privateKey,
  })
  const chain = [leaf, child, derOf(ca.issuing.certificatePem)]
  t.throws(() => verifyChain({ ...ask, chain }), { ...refused, message: /longer than its issuer allows/ })
  t.ok(verifyChain({ ...ask, chain, roots: [toPem(child)] }), 'it would be good if the child itself were trusted')
  t.end()
})

t.test('holds every certificate of a chain to its validity', t => {
  const { chain } = ca.leaf(web)
  const day = 24 * 3_600_000
  t.throws(() => verifyChain({ ...ask, chain, now: now - 120_000 }), { ...refused, message: /not valid yet/ })
  t.throws(() => verifyChain({ ...ask, chain, now: now + 2 * day }), { ...refused, message: /expired/ })

  const short = { notBefore: now - 1000, notAfter: now + 60_000 }
  const rootKeys = generateKeys()
  const root = { certificatePem: issueCa({ trustDomain: 'td', keys: rootKeys, ...short }), ...rootKeys }
  const early = craftCertificate({
    extensions: [...leafExtensions, extensions.san([6, web])],
    issuerName: named(caName(root.certificatePem)),
    signer: rootKeys.privateKey,
  })
  const below = { ...ask, chain: [early], roots: [root.certificatePem] }
  t.ok(verifyChain(below))
  t.throws(() => verifyChain({ ...below, now: now + day }), { ...refused, message: /expired/ }, 'the root alone is old')
  t.end()
})

t.test('keeps a root and an issuing certificate to the trust domain they name', t => {
  const leafBelow = (issuer: Issuer) =>
    craftCertificate({
      extensions: [...leafExtensions, extensions.san([6, web])],
      issuerName: named(caName(issuer.certificatePem)),
      signer: issuer.privateKey,
    })
  const wrong = { ...refused, message: /issuer is of another trust domain/ }
  const other = createTestCa('other', now)
  const strangers = [other.root.certificatePem]
  t.throws(() => verifyChain({ ...ask, chain: [leafBelow(other.root)], roots: strangers }), wrong, 'the root')
  const chain = [leafBelow(other.issuing), derOf(other.issuing.certificatePem)]
  t.throws(() => verifyChain({ ...ask, chain, roots: strangers }), wrong, 'both')

  const keys = generateKeys()
  const validity = { notBefore: now - 1000, notAfter: now + 60_000 }
  const certificatePem = issueCa({ trustDomain: 'other', keys, issuer: ca.root, ...validity })
  const mixed = [leafBelow({ certificatePem, privateKey: keys.privateKey }), derOf(certificatePem)]
  t.throws(() => verifyChain({ ...ask, chain: mixed }), wrong, 'the issuing certificate, below a root of ours')
  t.end()
})

t.test('needs the name of the issuer to be that of the certificate above', t => {
  const leaf = (issuerName: string) =>
    craftCertificate({
      extensions: [...leafExtensions, extensions.san([6, web])],
      issuerName: named(issuerName),
      signer: ca.issuing.privateKey,
    })
  const above = derOf(ca.issuing.certificatePem)
  t.ok(verifyChain({ ...ask, chain: [leaf(caName(ca.issuing.certificatePem)), above] }))
  t.throws(() => verifyChain({ ...ask, chain: [leaf(caName(ca.root.certificatePem)), above] }), refused)
  t.end()
})

t.test('notices a changed bit anywhere in a chain', t => {
  const { chain } = ca.leaf(web)
  for (const [at, certificate] of chain.entries()) {
    for (let bit = 0; bit < certificate.length * 8; bit += 37) {
      const changed = Buffer.from(certificate)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      t.throws(() => verifyChain({ ...ask, chain: chain.with(at, changed) }), refused, `certificate ${at} bit ${bit}`)
    }
  }
  t.end()
})

/** The name of a CA made by Weft; its own name comes after its issuer's. */
function caName(pem: string): string {
  return (
    [
      ...derOf(pem)
        .toString('latin1')
        .matchAll(/weft (?:root|issuing) [0-9a-f]{16}/g),
    ].at(-1)?.[0] ?? ''
  )
}
