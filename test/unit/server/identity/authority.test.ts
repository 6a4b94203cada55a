import { X509Certificate } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import t from 'tap'
import { issueCa, parseCertificate } from '../../../../mesh/identity/certificate.ts'
import { decodePrivateKey, generateKeys, spkiHash } from '../../../../mesh/identity/keys.ts'
import { verifyChain } from '../../../../mesh/identity/verify.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { type AuthorityOptions, openAuthority } from '../../../../server/identity/authority.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { derOf } from '../../../support/certificates.ts'

const web = 'spiffe://td/ns/default/sa/web'
const minute = 60_000
const day = 24 * 60 * minute

const open = (dataDir: string, more: Partial<AuthorityOptions> = {}, clock = new FakeClock()) =>
  openAuthority({ dataDir, trustDomain: 'td', ...more }, { clock, log: silentLog })

t.test('makes root and issuing certificate at the first start and keeps them', async t => {
  const dataDir = `${t.testdir({})}/data`
  const first = await open(dataDir)
  t.equal(first.trustBundle.roots.length, 1)
  t.equal(first.trustBundle.sequence, 1)
  t.equal(first.rootHash, spkiHash(first.trustBundle.roots[0] ?? ''))
  const second = await open(dataDir)
  t.same(second.trustBundle, first.trustBundle)
  t.equal(second.issue(web, generateKeys().publicKey).chain[1], first.issue(web, generateKeys().publicKey).chain[1])
  t.same(readdirSync(`${dataDir}/ca`).sort(), ['issuing.pem', 'root.pem', 'trust-bundle.json'])
  for (const name of readdirSync(`${dataDir}/ca`)) t.equal(statSync(`${dataDir}/ca/${name}`).mode & 0o777, 0o600, name)
  t.equal(statSync(`${dataDir}/ca`).mode & 0o777, 0o700)
})

t.test('issues leaves for a day, from two minutes ago, that verify against its roots', async t => {
  const clock = new FakeClock()
  const authority = await open(t.testdir({}), {}, clock)
  const keys = generateKeys()
  const { chain, notAfter } = authority.issue(web, keys.publicKey)
  const now = clock.now()
  t.equal(notAfter, now + day)
  t.equal(parseCertificate(chain[0] ?? '').notBefore, now - 2 * minute)
  t.ok(new X509Certificate(chain[0] ?? '').publicKey.equals(keys.publicKey))
  const ask = { chain: chain.map(derOf), roots: authority.trustBundle.roots, trustDomain: 'td', now }
  t.match(verifyChain(ask), { kind: 'workload', serviceAccount: 'web' })
  t.throws(() => authority.issue('spiffe://td/other', keys.publicKey), { code: 'WEFT_SPIFFE_ID' })
})

t.test('begins short lives only a little earlier, so that they are not old when they are new', async t => {
  const clock = new FakeClock()
  const authority = await open(t.testdir({}), {}, clock)
  const { chain, notAfter } = authority.issue(web, generateKeys().publicKey, 20_000)
  t.equal(notAfter, clock.now() + 20_000)
  t.equal(parseCertificate(chain[0] ?? '').notBefore, clock.now() - 2_000)
  const longest = authority.issue(web, generateKeys().publicKey, 1000 * day)
  t.equal(longest.notAfter, clock.now() + 90 * day)
})

t.test('encrypts its keys with a passphrase and does not start without it', async t => {
  const dataDir = t.testdir({})
  const first = await open(dataDir, { passphrase: 'open sesame' })
  for (const name of ['root.pem', 'issuing.pem']) {
    t.match(readFileSync(`${dataDir}/ca/${name}`, 'utf8'), /^-----BEGIN ENCRYPTED PRIVATE KEY-----/)
  }
  t.equal((await open(dataDir, { passphrase: 'open sesame' })).rootHash, first.rootHash)
  const path = `${dataDir}/ca/root.pem`
  await t.rejects(open(dataDir), { code: 'WEFT_STATE_CORRUPT', fields: { path }, message: /no passphrase/ })
  await t.rejects(open(dataDir, { passphrase: 'wrong' }), {
    code: 'WEFT_STATE_CORRUPT',
    message: /cannot be decrypted/,
  })
})

t.test('encrypts keys that were plain once a passphrase is configured', async t => {
  const dataDir = t.testdir({})
  const { rootHash } = await open(dataDir)
  await open(dataDir, { passphrase: 'new' })
  const content = readFileSync(`${dataDir}/ca/issuing.pem`, 'utf8')
  t.match(content, /^-----BEGIN ENCRYPTED PRIVATE KEY-----/)
  t.ok(decodePrivateKey(content.slice(0, content.indexOf('-----BEGIN CERT')), 'new'))
  t.equal((await open(dataDir, { passphrase: 'new' })).rootHash, rootHash)
})

t.test('does not start when anyone else could read or change a key file', async t => {
  const dataDir = t.testdir({})
  await open(dataDir)
  for (const name of ['root.pem', 'issuing.pem', 'trust-bundle.json']) {
    const path = `${dataDir}/ca/${name}`
    for (const mode of [0o644, 0o640, 0o604, 0o620, 0o601]) {
      chmodSync(path, mode)
      await t.rejects(open(dataDir), { code: 'WEFT_STATE_CORRUPT', next: /chmod 600/ }, `${name} ${mode.toString(8)}`)
    }
    chmodSync(path, 0o600)
    chownSync(path, 65534, 65534)
    await t.rejects(open(dataDir), { code: 'WEFT_STATE_CORRUPT', message: /another user/ }, `${name} of nobody`)
    chownSync(path, process.getuid?.() ?? 0, process.getgid?.() ?? 0)
  }
  chmodSync(`${dataDir}/ca`, 0o777)
  await t.rejects(open(dataDir), { code: 'WEFT_STATE_CORRUPT', message: /folder/ })
  chmodSync(`${dataDir}/ca`, 0o700)
  t.ok(await open(dataDir))
})

t.test('does not start with files that are missing, damaged or mixed up', async t => {
  const dataDir = t.testdir({})
  await open(dataDir)
  const names = ['root.pem', 'issuing.pem', 'trust-bundle.json'] as const
  for (const name of names) {
    const path = `${dataDir}/ca/${name}`
    const good = readFileSync(path, 'utf8')
    for (const content of ['', 'x', '{}', '[]', 'null', good.slice(0, good.length / 2), good.slice(good.length / 2)]) {
      writeFileSync(path, content)
      await t.rejects(open(dataDir), { name: 'MeshError', code: 'WEFT_STATE_CORRUPT', fields: { path } }, name)
    }
    rmSync(path)
    await t.rejects(open(dataDir), { name: 'MeshError', code: 'WEFT_STATE_CORRUPT' }, `${name} missing`)
    writeFileSync(`${dataDir}/elsewhere`, good, { mode: 0o600 })
    symlinkSync(`${dataDir}/elsewhere`, path)
    await t.rejects(open(dataDir), { code: 'WEFT_STATE_CORRUPT' }, `${name} as a link`)
    rmSync(path)
    writeFileSync(path, good, { mode: 0o600 })
  }
  const other = t.testdir({ other: {} })
  await open(`${other}/other`)
  for (const name of ['root.pem', 'issuing.pem'] as const) {
    const path = `${other}/other/ca/${name}`
    const own = readFileSync(path, 'utf8')
    const stranger = generateKeys()
    const validity = { notBefore: Date.UTC(2029, 0), notAfter: Date.UTC(2031, 0) }
    const cut = own.indexOf('-----BEGIN CERT')
    writeFileSync(path, own.slice(0, cut) + issueCa({ trustDomain: 'td', keys: stranger, ...validity }))
    await t.rejects(open(`${other}/other`), { code: 'WEFT_STATE_CORRUPT', message: /does not belong/ }, name)
    writeFileSync(path, own)
  }
})

t.test('does not start with an issuing certificate of another root', async t => {
  const dataDir = t.testdir({ one: {}, two: {} })
  await open(`${dataDir}/one`)
  await open(`${dataDir}/two`)
  writeFileSync(`${dataDir}/one/ca/issuing.pem`, readFileSync(`${dataDir}/two/ca/issuing.pem`))
  await t.rejects(open(`${dataDir}/one`), { name: 'MeshError', code: 'WEFT_CERTIFICATE_REFUSED' })
  writeFileSync(`${dataDir}/one/ca/root.pem`, readFileSync(`${dataDir}/two/ca/root.pem`))
  await t.rejects(open(`${dataDir}/one`), { code: 'WEFT_STATE_CORRUPT', message: /not in the trust bundle/ })
})

t.test('does not start for another trust domain, or with a clock that is far off', async t => {
  const dataDir = t.testdir({})
  await open(dataDir)
  await t.rejects(open(dataDir, { trustDomain: 'other' }), { code: 'WEFT_CONFIG_INVALID', fields: { found: 'td' } })
  const early = new FakeClock(Date.UTC(2020, 0))
  await t.rejects(open(dataDir, {}, early), { code: 'WEFT_CERTIFICATE_REFUSED', message: /not valid yet/ })
  const late = new FakeClock(Date.UTC(2050, 0))
  await t.rejects(open(dataDir, {}, late), { code: 'WEFT_CERTIFICATE_REFUSED', message: /expired/ })
})

t.test('says so when the data directory cannot be written', async t => {
  const dataDir = t.testdir({ file: 'not a folder' })
  await t.rejects(open(`${dataDir}/file`), { name: 'MeshError', code: 'WEFT_STORE' })
})

t.test('removes what an interrupted first start left behind', async t => {
  const dataDir = t.testdir({})
  mkdirSync(`${dataDir}/.ca-012345`)
  writeFileSync(`${dataDir}/.ca-012345/root.pem`, 'half')
  await open(dataDir)
  t.same(readdirSync(dataDir).sort(), ['ca', 'issued'])
})

t.test('renews the issuing certificate at half of its life, while running and at a start', async t => {
  const dataDir = t.testdir({})
  const clock = new FakeClock()
  const authority = await open(dataDir, {}, clock)
  const before = authority.issue(web, generateKeys().publicKey)
  await clock.advance(200 * day)
  const after = authority.issue(web, generateKeys().publicKey)
  t.not(after.chain[1], before.chain[1])
  t.equal(after.notAfter, clock.now() + day)
  const ask = { roots: authority.trustBundle.roots, trustDomain: 'td', now: clock.now() }
  t.ok(verifyChain({ ...ask, chain: after.chain.map(derOf) }))
  const again = await open(dataDir, {}, clock)
  t.equal(again.issue(web, generateKeys().publicKey).chain[1], after.chain[1], 'the new one was kept')
  await clock.advance(400 * day)
  const restarted = await open(dataDir, {}, clock)
  t.equal(restarted.issue(web, generateKeys().publicKey).notAfter, clock.now() + day, 'even after it had expired')
  t.equal(restarted.rootHash, authority.rootHash)
})

t.test('gives no certificate to a key that belongs to another node or to itself', async t => {
  const dataDir = t.testdir({})
  const clock = new FakeClock()
  const authority = await open(dataDir, {}, clock)
  const keys = generateKeys()
  const to = (node: string) => ({ node, evidence: 'join' })
  authority.issue(web, keys.publicKey, day, to('vm-1'))
  t.ok(authority.issue('spiffe://td/mesh/agent/vm-1', keys.publicKey, day, to('vm-1')), 'its own node may go on')
  const refused = { code: 'WEFT_CSR_REFUSED', message: /another node/ }
  t.throws(() => authority.issue(web, keys.publicKey, day, to('vm-2')), refused)
  const restarted = await open(dataDir, {}, clock)
  t.throws(() => restarted.issue(web, keys.publicKey, day, to('vm-2')), refused, 'also after a restart')
  for (const pem of [authority.trustBundle.roots[0], authority.issue(web, generateKeys().publicKey).chain[1]]) {
    const { publicKey } = new X509Certificate(pem ?? '')
    t.throws(() => authority.issue(web, publicKey, day, to('vm-1')), { code: 'WEFT_CSR_REFUSED' }, 'a key of the CA')
  }
})

t.test('records every certificate before it is handed out', async t => {
  const dataDir = t.testdir({})
  const clock = new FakeClock()
  const authority = await open(dataDir, {}, clock)
  const keys = generateKeys()
  const { chain, notAfter } = authority.issue(web, keys.publicKey, day, { node: 'vm-1', evidence: 'join-token' })
  const path = `${dataDir}/issued/issued-2030-01.jsonl`
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  t.same(
    lines.map(line => JSON.parse(line)),
    [
      {
        at: clock.now(),
        node: 'vm-1',
        evidence: 'join-token',
        identity: web,
        keyHash: spkiHash(keys.publicKey),
        serial: parseCertificate(chain[0] ?? '').serial,
        notBefore: clock.now() - 2 * minute,
        notAfter,
      },
    ],
  )
  t.equal(statSync(path).mode & 0o777, 0o600)
  rmSync(`${dataDir}/issued`, { recursive: true })
  writeFileSync(`${dataDir}/issued`, 'in the way')
  t.throws(() => authority.issue(web, generateKeys().publicKey), { code: 'WEFT_STORE' }, 'nothing is issued unrecorded')
})
