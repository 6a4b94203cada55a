import t from 'tap'
import { issueCa } from '../../../../mesh/identity/certificate.ts'
import { generateKeys } from '../../../../mesh/identity/keys.ts'
import { advanceTrustBundle, emptyTrustBundle } from '../../../../mesh/identity/trust-bundle.ts'
import { createTestCa } from '../../../support/certificates.ts'

const root = () =>
  issueCa({ trustDomain: 'td', keys: generateKeys(), notBefore: Date.now() - 1000, notAfter: Date.now() + 60_000 })

t.test('begins by trusting nobody', t => {
  t.same(emptyTrustBundle('td'), { trustDomain: 'td', sequence: 0, roots: [] })
  t.throws(() => emptyTrustBundle('TD'), { code: 'WEFT_SPIFFE_ID' })
  t.end()
})

t.test('takes over a newer bundle, also one without roots', t => {
  const [one, two] = [root(), root()]
  const first = advanceTrustBundle(emptyTrustBundle('td'), { trustDomain: 'td', sequence: 1, roots: [one] })
  const second = advanceTrustBundle(first, { trustDomain: 'td', sequence: 5, roots: [one, two] })
  t.same(second.roots, [one, two])
  t.ok(Object.isFrozen(second) && Object.isFrozen(second.roots))
  t.same(advanceTrustBundle(second, { trustDomain: 'td', sequence: 6, roots: [] }).roots, [])
  t.end()
})

t.test('keeps the current one when the same comes again', t => {
  const current = advanceTrustBundle(emptyTrustBundle('td'), { trustDomain: 'td', sequence: 1, roots: [root()] })
  t.equal(advanceTrustBundle(current, { ...current, roots: [...current.roots] }), current)
  t.end()
})

t.test('refuses older, contradicting, foreign and malformed bundles', t => {
  const one = root()
  const current = advanceTrustBundle(emptyTrustBundle('td'), { trustDomain: 'td', sequence: 4, roots: [one] })
  const ca = createTestCa('td')
  const wrong = {
    older: { trustDomain: 'td', sequence: 3, roots: [one] },
    'same number, other roots': { trustDomain: 'td', sequence: 4, roots: [root()] },
    'same number, somebody banned': { ...current, bannedIdentities: ['spiffe://td/ns/a/sa/b'] },
    'same number, a root on its way out': { ...current, tainted: ['ab'.repeat(32)] },
    'same number, no roots': { trustDomain: 'td', sequence: 4, roots: [] },
    'other trust domain': { trustDomain: 'other', sequence: 5, roots: [one] },
    'a leaf': { trustDomain: 'td', sequence: 5, roots: [ca.leaf('spiffe://td/ns/a/sa/b').pem] },
    'an issuing certificate': { trustDomain: 'td', sequence: 5, roots: [ca.issuing.certificatePem] },
    garbage: { trustDomain: 'td', sequence: 5, roots: ['garbage'] },
    'one good, one bad': { trustDomain: 'td', sequence: 5, roots: [one, ''] },
    'no number': { trustDomain: 'td', sequence: Number.NaN, roots: [one] },
    'an infinite number': { trustDomain: 'td', sequence: Number.POSITIVE_INFINITY, roots: [one] },
  }
  for (const [what, bundle] of Object.entries(wrong)) {
    t.throws(() => advanceTrustBundle(current, bundle), { name: 'MeshError', code: 'WEFT_TRUST_BUNDLE' }, what)
  }
  t.end()
})
