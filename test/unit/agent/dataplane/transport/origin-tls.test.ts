import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer, type TlsOptions } from 'node:tls'
import t from 'tap'
import { originTls } from '../../../../../agent/dataplane/transport/origin-tls.ts'
import type { UpstreamTlsSettings } from '../../../../../mesh/routing/cluster.ts'
import { clusterSettings } from '../../../../support/cluster.ts'

interface Test {
  teardown(stop: () => unknown): void
}

const settings = (values: Partial<UpstreamTlsSettings>): UpstreamTlsSettings => ({
  ...clusterSettings().tls,
  sni: 'cart.example',
  ...values,
})

/** An authority with its list of what was taken back, and certificates for `cart.example` and a client of it. */
function authority(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'weft-origin-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'index.txt'), '')
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' })
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const ca = ['-CA', 'ca.crt', '-CAkey', 'ca.key']
  openssl('req', '-x509', ...curve, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=authority')
  for (const name of ['server', 'client']) {
    const names = ['-addext', 'subjectAltName=DNS:cart.example', '-addext', 'basicConstraints=CA:FALSE']
    const out = ['-keyout', `${name}.key`, '-out', `${name}.crt`, '-subj', `/CN=${name}`]
    openssl('req', '-x509', ...ca, ...curve, ...out, ...names)
  }
  const config = '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=1\n'
  writeFileSync(join(directory, 'ca.conf'), config)
  const list = ['ca', '-config', 'ca.conf', '-cert', 'ca.crt', '-keyfile', 'ca.key']
  openssl(...list, '-gencrl', '-out', 'none.crl')
  openssl(...list, '-revoke', 'server.crt')
  openssl(...list, '-gencrl', '-out', 'server.crl')
  mkdirSync(join(directory, 'credentials/cart'), { recursive: true })
  for (const [from, to] of Object.entries({ 'ca.crt': 'ca.crt', 'client.crt': 'tls.crt', 'client.key': 'tls.key' })) {
    cpSync(join(directory, from), join(directory, 'credentials/cart', to))
  }
  return directory
}

async function aServer(t: Test, directory: string, options: TlsOptions = {}): Promise<number> {
  const file = (name: string) => readFileSync(join(directory, name))
  const server = createServer({ cert: file('server.crt'), key: file('server.key'), ...options }, socket => {
    socket.on('error', () => {})
    socket.end(socket.authorized ? `hello ${socket.getPeerCertificate().subject.CN}` : 'hello stranger')
  })
  t.teardown(() => server.close())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** What the server says, or why there is no connection. */
function call(port: number, directory: string, values: Partial<UpstreamTlsSettings>): Promise<string> {
  const made = originTls(settings(values), 'http/1.1', join(directory, 'credentials'))
  if (made.kind !== 'tls') return Promise.resolve(made.kind === 'unusable' ? made.why : made.kind)
  return new Promise(resolve => {
    const socket = connect({ ...made.tls, host: '127.0.0.1', port })
    let said = ''
    socket.on('data', bytes => {
      said += String(bytes)
    })
    socket.on('end', () => resolve(said))
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
}

t.test('a named credential says whom to believe and what to show', async t => {
  const directory = authority(t)
  const ca = readFileSync(join(directory, 'ca.crt'))
  const port = await aServer(t, directory, { requestCert: true, rejectUnauthorized: false, ca })
  t.equal(await call(port, directory, { mode: 'mutual', credential: 'cart' }), 'hello client')
  t.equal(await call(port, directory, { mode: 'simple', credential: 'cart' }), 'hello stranger')
  t.match(await call(port, directory, { mode: 'simple', credential: 'cart', sni: 'other.example' }), /ALTNAME/)
})

t.test('a credential that is not there is named by its path, and nothing else is believed instead', async t => {
  const directory = authority(t)
  const port = await aServer(t, directory)
  const path = (name: string) => join(directory, 'credentials/cart', name)
  for (const name of ['tls.key', 'tls.crt', 'ca.crt']) {
    rmSync(path(name))
    const said = await call(port, directory, { mode: 'mutual', credential: 'cart' })
    t.ok(said.includes(path(name)), said)
  }
  t.match(await call(port, directory, { mode: 'simple', credential: 'cart' }), path('ca.crt'))
  t.match(await call(port, directory, { mode: 'simple', credential: 'nobody' }), /credentials\/nobody\/ca\.crt/)
})

t.test('files are read for every connection, so that renewed ones are used', async t => {
  const directory = authority(t)
  const port = await aServer(t, directory)
  t.equal(await call(port, directory, { mode: 'simple', credential: 'cart' }), 'hello stranger')
  const other = authority(t)
  cpSync(join(other, 'ca.crt'), join(directory, 'credentials/cart/ca.crt'))
  t.match(await call(port, directory, { mode: 'simple', credential: 'cart' }), /SIGNATURE|SELF_SIGNED|UNABLE/)
})

t.test('certificates that were taken back are refused', async t => {
  const directory = authority(t)
  const port = await aServer(t, directory)
  const caCertificates = join(directory, 'ca.crt')
  const list = (name: string) => ({ mode: 'simple', caCertificates, caCrl: join(directory, name) }) as const
  t.equal(await call(port, directory, list('none.crl')), 'hello stranger')
  t.equal(await call(port, directory, list('server.crl')), 'CERT_REVOKED')
  t.match(await call(port, directory, list('missing.crl')), /missing\.crl/)
})

t.test('a name with a comma in it does not pass for the names between its commas', async t => {
  const made = originTls(settings({ mode: 'simple', subjectAltNames: ['cart.example'] }), 'http/1.1', '/none')
  if (made.kind !== 'tls') throw new Error('no tls')
  const judge = (subjectaltname: string) =>
    made.tls.checkServerIdentity?.('cart.example', Object.assign(Object.create(null), { subjectaltname }))
  t.equal(judge('DNS:shop.example, DNS:cart.example'), undefined)
  t.match(judge('DNS:shop.example'), /the certificate is for shop\.example/)
  t.match(judge('DNS:"a, DNS:cart.example, b"'), /cannot be told apart/)
})
