import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { issueCa, issueLeaf, parseCertificate } from '../../../../mesh/identity/certificate.ts'
import { encodePrivateKey, generateKeys, type KeyPair } from '../../../../mesh/identity/keys.ts'
import { peerSpiffeId } from '../../../../mesh/identity/verify.ts'
import { createTestCa } from '../../../support/certificates.ts'

const web = 'spiffe://td/ns/default/sa/web'
const api = 'spiffe://td/ns/default/sa/api'
const refused = { name: 'MeshError', code: 'WEFT_CERTIFICATE_REFUSED' }
const day = 24 * 3_600_000

t.test('issues chains that openssl accepts in strict mode, for clients and for servers', t => {
  const ca = createTestCa('td')
  for (const id of [web, 'spiffe://td/mesh/agent/vm-1', `spiffe://td/ns/n/sa/${'a'.repeat(253)}`]) {
    for (const purpose of ['sslserver', 'sslclient']) {
      t.match(
        opensslVerify(t, ca, ca.leaf(id).pem, '-purpose', purpose),
        /leaf.pem: OK/,
        `${purpose} ${id.slice(0, 40)}`,
      )
    }
  }
  const long = issueCa({ trustDomain: 'td', keys: generateKeys(), notBefore: Date.now(), notAfter: Date.UTC(2090, 0) })
  t.match(execFileSync('openssl', ['x509', '-noout', '-enddate'], { input: long, encoding: 'utf8' }), /2090/)
  t.end()
})

t.test('lets no leaf issue anything', t => {
  const ca = createTestCa('td')
  const leaf = ca.leaf(web)
  const validity = { notBefore: Date.now(), notAfter: Date.now() + day }
  const issuer = { certificatePem: leaf.pem, privateKey: leaf.keys.privateKey }
  t.throws(() => issueLeaf({ spiffeId: api, publicKey: generateKeys().publicKey, issuer, ...validity }), refused)
  t.throws(() => issueCa({ trustDomain: 'td', keys: generateKeys(), issuer, ...validity }), refused)
  t.end()
})

t.test('puts exactly the identity into a leaf, and random positive serial numbers', t => {
  const ca = createTestCa('td')
  const serials = new Set<string>()
  for (let at = 0; at < 20; at += 1) {
    const leaf = parseCertificate(ca.leaf(web).pem)
    t.same(leaf.uris, [web])
    t.equal(leaf.subject.toString('hex'), '3000', 'empty subject')
    t.ok(leaf.serial.length >= 31, 'at least 122 bits')
    serials.add(leaf.serial)
  }
  t.equal(serials.size, 20)
  t.end()
})

t.test('cuts the life of a certificate to that of its issuer', t => {
  const ca = createTestCa('td')
  const issuing = parseCertificate(ca.issuing.certificatePem)
  const times = { notBefore: issuing.notBefore, notAfter: issuing.notAfter + day }
  const leaf = issueLeaf({ spiffeId: web, publicKey: generateKeys().publicKey, issuer: ca.issuing, ...times })
  t.equal(parseCertificate(leaf).notAfter, issuing.notAfter)
  const late = { notBefore: issuing.notAfter, notAfter: issuing.notAfter + day }
  t.throws(
    () => issueLeaf({ spiffeId: web, publicKey: generateKeys().publicKey, issuer: ca.issuing, ...late }),
    refused,
  )
  t.end()
})

t.test('issues nothing for a wrong id, key, serial number or trust domain', t => {
  const ca = createTestCa('td')
  const good = {
    spiffeId: web,
    publicKey: generateKeys().publicKey,
    issuer: ca.issuing,
    notBefore: Date.now(),
    notAfter: Date.now() + day,
  }
  t.equal(parseCertificate(issueLeaf({ ...good, serial: '0c0ffee' })).serial, 'c0ffee')
  for (const serial of ['', '0', '00', 'xyz', '-1', 'ab'.repeat(20)]) {
    t.throws(() => issueLeaf({ ...good, serial }), refused, `serial number ${serial}`)
  }
  t.throws(() => issueLeaf({ ...good, spiffeId: 'spiffe://td' }), { code: 'WEFT_SPIFFE_ID' })
  t.throws(() => issueLeaf({ ...good, spiffeId: `${web}\u0000` }), { code: 'WEFT_SPIFFE_ID' })
  const stranger = { ...ca.issuing, privateKey: generateKeys().privateKey }
  t.throws(() => issueLeaf({ ...good, issuer: stranger }), { ...refused, message: /not signed by its issuer/ })
  t.throws(() => issueLeaf({ ...good, notAfter: Number.NaN }), refused)
  t.throws(() => issueCa({ ...good, trustDomain: 'TD', keys: generateKeys() }), { code: 'WEFT_SPIFFE_ID' })
  t.end()
})

t.test('carries a real TLS 1.3 handshake in which both sides learn who the other is', async t => {
  const ca = createTestCa('td')
  const [client, server] = [ca.leaf(web), ca.leaf(api)]
  const seen = await handshake(t, ca, client, server)
  t.equal(seen.protocol, 'TLSv1.3')
  t.equal(peerSpiffeId(seen.client, 'td'), web)
  t.equal(peerSpiffeId(seen.server, 'td'), api)
})

t.test('does not carry a handshake with the certificate of a stranger', async t => {
  const [ca, other] = [createTestCa('td'), createTestCa('td')]
  await t.rejects(handshake(t, ca, other.leaf(web), ca.leaf(api)))
  await t.rejects(handshake(t, ca, ca.leaf(web), other.leaf(api)))
})

type Ca = ReturnType<typeof createTestCa>
type Leaf = { readonly pem: string; readonly keys: KeyPair }

async function handshake(t: Test, ca: Ca, client: Leaf, server: Leaf) {
  const common = { ca: ca.root.certificatePem, minVersion: 'TLSv1.3' } as const
  const present = ({ pem, keys }: Leaf) => ({
    cert: pem + ca.issuing.certificatePem,
    key: encodePrivateKey(keys.privateKey),
  })
  const listener = createServer({ ...common, ...present(server), requestCert: true, rejectUnauthorized: true })
  const accepted = new Promise<TLSSocket>((resolve, reject) => {
    listener.once('secureConnection', resolve)
    listener.once('tlsClientError', reject)
  })
  accepted.catch(() => {})
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => listener.close())
  const { port } = listener.address() as AddressInfo
  const checkServerIdentity = () => undefined
  const socket = connect({ port, host: '127.0.0.1', ...common, ...present(client), checkServerIdentity })
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  const [remote] = await Promise.all([accepted, once(socket, 'secureConnect')])
  t.teardown(() => remote.destroy())
  const rawOf = (end: TLSSocket) => end.getPeerX509Certificate()?.raw ?? Buffer.alloc(0)
  return { client: rawOf(remote), server: rawOf(socket), protocol: socket.getProtocol() }
}

function opensslVerify(t: Test, ca: Ca, leaf: string, ...more: readonly string[]): string {
  const folder = t.testdir({})
  writeFileSync(`${folder}/root.pem`, ca.root.certificatePem)
  writeFileSync(`${folder}/issuing.pem`, ca.issuing.certificatePem)
  writeFileSync(`${folder}/leaf.pem`, leaf)
  t.ok(new X509Certificate(leaf))
  const args = ['-x509_strict', '-CAfile', `${folder}/root.pem`, '-untrusted', `${folder}/issuing.pem`]
  return execFileSync('openssl', ['verify', ...args, ...more, `${folder}/leaf.pem`], { encoding: 'utf8' })
}
