import { createPrivateKey, sign } from 'node:crypto'
import t, { type Test } from 'tap'
import { possessionText } from '../../../../../mesh/identity/possession.ts'
import { createChallenges } from '../../../../../server/identity/attest/challenges.ts'
import { createX509Attestor } from '../../../../../server/identity/attest/x509.ts'
import { attestorCompliance } from '../../../../compliance/attestor.ts'
import { type MadeCertificate, ofAuthority, openssl } from '../../../../support/openssl.ts'

const leafOf = (dns: string, usage = 'clientAuth') => [
  'basicConstraints=CA:FALSE',
  'keyUsage=critical,digitalSignature',
  `extendedKeyUsage=${usage}`,
  `subjectAltName=DNS:${dns}`,
]
const minute = 60_000

function createWorld(t: Test) {
  const ssl = openssl(t)
  const root = ssl.certificate({ name: 'Hosts', extensions: ofAuthority })
  const other = ssl.certificate({ name: 'Hosts', extensions: ofAuthority })
  const challenges = createChallenges()
  // a little later than the certificates below are made
  const now = Date.now() + 60_000
  const options = { authorities: root.certificate, domain: 'hosts.example', trustDomain: 'td' }
  const prove = (
    made: MadeCertificate,
    { node = 'vm-1', keyHash = 'k', trustDomain = 'td', challenge = challenges.create(now), more = '' } = {},
  ) => {
    const text = possessionText({ trustDomain, node, keyHash, challenge })
    const signature = sign('sha256', text, createPrivateKey(made.key)).toString('hex')
    return { kind: 'x509', payload: JSON.stringify({ signature, challenge, chain: made.certificate + more }) } as const
  }
  return { ssl, root, other, challenges, now, prove, attestor: createX509Attestor(challenges, options) }
}

attestorCompliance(t, async t => {
  const { ssl, root, other, challenges, now, prove, attestor } = createWorld(t)
  const make = (issuer: MadeCertificate, extensions: readonly string[], more: object = {}) =>
    ssl.certificate({ name: 'vm-1', issuer, extensions, ...more })
  const good = make(root, leafOf('vm-1.hosts.example'))
  const middle = ssl.certificate({ name: 'Middle', issuer: root, extensions: [...ofAuthority] })
  const below = make(middle, leafOf('vm-1.hosts.example'))
  const leafAsIssuer = make(good, leafOf('vm-1.hosts.example'))
  return {
    attestor,
    now,
    node: 'vm-1',
    good: () => prove(good),
    tooLate: now + minute,
    bad: {
      'of another authority of the same name': () => prove(make(other, leafOf('vm-1.hosts.example'))),
      'of itself': () => prove(other),
      'without its intermediate': () => prove(below),
      'issued by a host': () => prove(leafAsIssuer, { more: good.certificate }),
      'for servers only': () => prove(make(root, leafOf('vm-1.hosts.example', 'serverAuth'))),
      'of another host': () => prove(make(root, leafOf('vm-2.hosts.example'))),
      'of all hosts': () => prove(make(root, leafOf('*.hosts.example'))),
      'of another domain': () => prove(make(root, leafOf('vm-1.evil.example'))),
      'without names': () => prove(make(root, leafOf('x').slice(0, 3))),
      'with a short key': () => prove(make(root, leafOf('vm-1.hosts.example'), { bits: 1024 })),
      'that may sign certificates only': () =>
        prove(make(root, ['keyUsage=critical,keyCertSign', ...leafOf('vm-1.hosts.example').slice(2)])),
      'signed by another key': () => prove({ certificate: good.certificate, key: other.key }),
      'signed for another node': () => prove(good, { node: 'vm-2' }),
      'signed for another key of the host': () => prove(good, { keyHash: 'other' }),
      'signed for another mesh': () => prove(good, { trustDomain: 'other' }),
      'with a challenge of another server': () => prove(good, { challenge: createChallenges().create(now) }),
      'with an old challenge': () => prove(good, { challenge: challenges.create(now - minute) }),
    },
  }
})

t.test('takes a certificate below an intermediate, of an elliptic key too', async t => {
  const { ssl, root, now, prove, attestor } = createWorld(t)
  const extensions = ['basicConstraints=critical,CA:TRUE,pathlen:0', 'keyUsage=critical,keyCertSign']
  const middle = ssl.certificate({ name: 'Middle', issuer: root, extensions })
  const leaf = ssl.certificate({ name: 'x', issuer: middle, extensions: leafOf('vm-1.hosts.example'), algorithm: 'EC' })
  const context = { node: 'vm-1', keyHash: 'k', now, signal: new AbortController().signal }
  t.match(await attestor.attest(prove(leaf, { more: middle.certificate }), context), {
    node: 'vm-1',
    claims: { issuer: 'CN=Middle', name: 'vm-1.hosts.example' },
  })
  const deeper = ssl.certificate({ name: 'Deeper', issuer: middle, extensions: ofAuthority })
  const deep = ssl.certificate({ name: 'x', issuer: deeper, extensions: leafOf('vm-1.hosts.example') })
  const chain = deeper.certificate + middle.certificate
  await t.rejects(attestor.attest(prove(deep, { more: chain }), context), { code: 'WEFT_EVIDENCE_REFUSED' })
})

t.test('does not begin without authorities', async t => {
  const { challenges } = createWorld(t)
  for (const authorities of ['', 'x']) {
    const options = { authorities, domain: '', trustDomain: 'td' }
    t.throws(() => createX509Attestor(challenges, options), { code: 'WEFT_CONFIG_INVALID' })
  }
})
