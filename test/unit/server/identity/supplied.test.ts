import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { generateKeys, spkiHash } from '../../../../mesh/identity/keys.ts'
import { verifyChain } from '../../../../mesh/identity/verify.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { openAuthority } from '../../../../server/identity/authority.ts'
import { createHostTrust } from '../../../../server/identity/host-trust.ts'
import { startRotator } from '../../../../server/identity/rotator.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { derOf } from '../../../support/certificates.ts'

const options = { renewWithinMs: 0, retentionMs: 3_600_000, compromised: false }
const web = 'spiffe://td/ns/shop/sa/web'

/** An operator's own authority, by openssl. */
function operator(t: Test) {
  const folder = t.testdir({})
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  const root = (name: string, curve = 'P-256', key = `ec -pkeyopt ec_paramgen_curve:${curve}`) => {
    openssl(
      ...`req -x509 -newkey ${key} -nodes -days 3650 -subj /CN=${name}`.split(' '),
      ...`-keyout ${name}.key -out ${name}.pem`.split(' '),
      ...'-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign'.split(' '),
    )
    return readFileSync(`${folder}/${name}.pem`, 'utf8')
  }
  let count = 0
  /** Signs a request, or a new key, with these extensions; the certificate and its file's name. */
  const sign = (by: string, request: string, extensions: string) => {
    count += 1
    const name = `signed-${count}`
    writeFileSync(`${folder}/${name}.csr`, request)
    writeFileSync(`${folder}/${name}.ext`, extensions)
    openssl(
      ...`x509 -req -in ${name}.csr -CA ${by}.pem -CAkey ${by}.key -days 365 -extfile ${name}.ext`.split(' '),
      ...`-out ${name}.pem -set_serial ${count + 100}`.split(' '),
    )
    return { name, pem: readFileSync(`${folder}/${name}.pem`, 'utf8') }
  }
  const verifyStrictly = (rootPem: string, chain: readonly string[]) => {
    writeFileSync(`${folder}/trusted.pem`, rootPem)
    writeFileSync(`${folder}/leaf.pem`, chain[0] ?? '')
    writeFileSync(`${folder}/between.pem`, chain.slice(1).join(''))
    return openssl('verify', '-x509_strict', '-CAfile', 'trusted.pem', '-untrusted', 'between.pem', 'leaf.pem')
  }
  return { folder, openssl, root, sign, verifyStrictly }
}

const issuing =
  'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid'
const between = issuing.replace('pathlen:0', 'pathlen:1')

async function aServer(t: Test, dataDir = t.testdir({})) {
  // what openssl signs is valid from now
  const clock = new FakeClock(Date.now() + 5_000)
  const start = async () => {
    const authority = await openAuthority({ dataDir, trustDomain: 'td' }, { clock, log: silentLog })
    const rotator = startRotator({ clock, log: silentLog, authority, hosts: createHostTrust(), nodes: () => new Map() })
    t.teardown(() => rotator.stop())
    return { authority, rotator }
  }
  return { clock, start, ...(await start()) }
}

t.test('changes to the operator’s own root, with an issuing certificate that was signed elsewhere', async t => {
  const own = operator(t)
  const server = await aServer(t, `${own.folder}/data`)
  const first = server.authority.rootHash
  const rootPem = own.root('corp')
  const csr = server.rotator.csr()
  const { pem } = own.sign('corp', csr, issuing)
  server.rotator.install(pem + rootPem, options)
  await server.clock.advance(2_000)
  t.equal(server.rotator.status().rotation, undefined)
  t.not(server.authority.rootHash, first)
  t.same(
    server.authority.trustBundle.roots.map(root => spkiHash(root)),
    [spkiHash(rootPem)],
  )
  t.equal(server.rotator.status().supplied, true)
  const { chain } = server.authority.issue(web, generateKeys().publicKey)
  t.match(own.verifyStrictly(rootPem, chain), /OK/)

  server.rotator.stop()
  const again = await server.start()
  t.equal(again.authority.rootHash, spkiHash(rootPem))
  t.same(again.authority.issue(web, generateKeys().publicKey).chain.slice(1), chain.slice(1))

  const renewed = own.sign('corp', again.rotator.csr(), issuing)
  again.rotator.install(renewed.pem + rootPem, options)
  t.equal(again.rotator.status().rotation, undefined, 'below the same root nothing is rotated')
  const after = again.authority.issue(web, generateKeys().publicKey).chain
  t.not(after[1], chain[1])
  t.match(own.verifyStrictly(rootPem, after), /OK/)

  again.rotator.rotate(options)
  await server.clock.advance(2_000)
  t.equal(again.rotator.status().supplied, false, 'and back to a root of the server’s own')
})

t.test('takes a chain with certificates between, which go out with every leaf', async t => {
  const own = operator(t)
  const server = await aServer(t, `${own.folder}/data`)
  const rootPem = own.root('corp', 'P-384')
  own.openssl(
    ...'req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=region -keyout region.key -out region.csr'.split(
      ' ',
    ),
  )
  const region = own.sign('corp', readFileSync(`${own.folder}/region.csr`, 'utf8'), between)
  writeFileSync(`${own.folder}/region.pem`, region.pem)
  const { pem } = own.sign('region', server.rotator.csr(), issuing)
  server.rotator.install(pem + region.pem + rootPem, options)
  await server.clock.advance(2_000)
  const { chain } = server.authority.issue(web, generateKeys().publicKey)
  t.equal(chain.length, 3)
  t.match(own.verifyStrictly(rootPem, chain), /OK/)
  const { roots } = server.authority.trustBundle
  const now = server.clock.now()
  t.match(verifyChain({ chain: chain.map(derOf), roots, trustDomain: 'td', now }), { serviceAccount: 'web' })
})

t.test('refuses a chain that agents would not believe, and stays as it was', async t => {
  const own = operator(t)
  const server = await aServer(t, `${own.folder}/data`)
  const { sequence } = server.authority.trustBundle
  const rootPem = own.root('corp')
  const rsa = own.root('old', '', 'rsa:2048')
  const csr = server.rotator.csr()
  own.openssl(
    ...'req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout x.key -out x.csr'.split(' '),
  )
  const otherKey = readFileSync(`${own.folder}/x.csr`, 'utf8')
  const good = own.sign('corp', csr, issuing).pem
  const extended = (text: string) => own.sign('corp', csr, text).pem + rootPem
  const wrong: Record<string, string> = {
    nothing: '',
    'no root': good,
    'the root first': rootPem + good,
    'another root': good + own.root('other'),
    'another key': own.sign('corp', otherKey, issuing).pem + rootPem,
    'no authority': extended('basicConstraints=critical,CA:FALSE'),
    'no signing': extended(issuing.replace('keyCertSign,cRLSign', 'digitalSignature')),
    'other purposes': extended(`${issuing}\nextendedKeyUsage=emailProtection`),
    'another trust domain': extended(`${issuing}\nsubjectAltName=URI:spiffe://other`),
    'name constraints': extended(`${issuing}\nnameConstraints=critical,permitted;URI:td`),
    'a root of RSA': own.sign('old', csr, issuing).pem + rsa,
    'too many': good + rootPem.repeat(4),
  }
  for (const [what, chain] of Object.entries(wrong)) {
    t.throws(
      () => server.rotator.install(chain, options),
      { name: 'MeshError', code: 'WEFT_CERTIFICATE_REFUSED' },
      what,
    )
  }
  t.equal(server.authority.trustBundle.sequence, sequence)
  server.rotator.install(good + rootPem, options)
  t.ok(server.authority.trustBundle.sequence > sequence, 'and the right one is still taken')
})
