import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../support/eventually.ts'
import { callerAndServices, curled, listens, nothingOpen, web } from './http-mesh.ts'
import { createMesh } from './mesh.ts'
import { call, logged, reset, serve } from './mesh-probe.ts'

// Servers of others on `b`, on ports that declare `http` and ports that declare nothing; `out` has no agent.
const mesh = await createMesh(t, {
  hosts: ['a', 'b', 'out'],
  withoutAgent: ['out'],
  files: hosts =>
    callerAndServices(hosts, {
      nginx: { http: [80, 8001], 'http2-two': [81, 8002] },
      haproxy: { http: [80, 8003] },
      python: { http: [80, 8004] },
      auto: { web: [80, 8007], greets: [3307, 8005], mysql: [3306, 8005], secure: [443, 8006] },
    }),
})
const { a, b, out } = mesh.hosts
const home = join(mesh.directory, 'www')
mkdirSync(home)
const body = 'weft '.repeat(40_000)
writeFileSync(join(home, 'large'), body, { mode: 0o644 })
writeFileSync(
  join(home, 'nginx.conf'),
  `daemon off; user root; worker_processes 1; pid ${home}/pid; error_log ${home}/error.log;
events {}
http {
  access_log off; client_body_temp_path ${home}/temp;
  server { listen 8001; listen 8007; listen 8002 http2; root ${home}; location = /echo { return 200 "$request_method"; } }
}
`,
)
writeFileSync(
  join(home, 'haproxy.cfg'),
  `defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 2s
frontend in
  bind :8003
  default_backend nginx
backend nginx
  server one 127.0.0.1:8001
`,
)
const key = ['-keyout', join(home, 'key'), '-out', join(home, 'cert')]
await b.must('openssl', [
  'req',
  '-x509',
  '-newkey',
  'ec',
  '-pkeyopt',
  'ec_paramgen_curve:P-256',
  '-nodes',
  '-subj',
  '/CN=auto.default.mesh',
  ...key,
])
b.spawn('nginx', ['-c', join(home, 'nginx.conf')])
b.spawn('haproxy', ['-f', join(home, 'haproxy.cfg')])
b.spawn('python3', ['-m', 'http.server', '8004', '--directory', home], { env: { PYTHONDONTWRITEBYTECODE: '1' } })
b.spawn('openssl', ['s_server', '-accept', '8006', '-www', '-key', join(home, 'key'), '-cert', join(home, 'cert')])
await serve(b, 'greeter', '0.0.0.0', ['banner=8005'])
for (const port of [8001, 8002, 8003, 8004, 8006]) await listens(b, port)

t.afterEach(() => nothingOpen(mesh, 'a', 'b'))

t.test('nginx, HAProxy and Python’s server answer as they do without the mesh', async t => {
  const servers = [
    ['nginx.default.mesh', 8001],
    ['nginx.default.mesh:81', 8001],
    ['haproxy.default.mesh', 8003],
    ['python.default.mesh', 8004],
  ] as const
  for (const [host, port] of servers) {
    for (const args of [[], ['-I'], ['--http2-prior-knowledge'], ['--http1.0']]) {
      for (const path of ['/large', '/absent']) {
        const ask = ['-w', '\n%{http_code} %{content_type}', ...args]
        const meshed = await curled(a, [...ask, `http://${host}${path}`])
        const direct = await curled(
          b,
          [...ask.filter(arg => !arg.startsWith('--http')), `http://127.0.0.1:${port}${path}`],
          {},
        )
        t.equal(meshed.code, 0, meshed.stderr)
        if (args[0] === '-I') t.equal(meshed.stdout.split('\n').at(-1), direct.stdout.split('\n').at(-1))
        else t.equal(meshed.stdout, direct.stdout, `${host}${path} ${args.join(' ')}`)
      }
    }
  }
})

t.test('a port that declares nothing carries requests, servers that speak first, and TLS', async t => {
  t.equal((await curled(a, ['http://auto.default.mesh/echo'])).stdout, 'GET')
  await logged(mesh, 'a', { path: '/echo', authority: 'auto.default.mesh', response_code: 200 })
  for (const port of [3307, 3306]) {
    t.equal(await call(a, 'listen', { host: 'auto.default.mesh', port }, 'HELO\n', web), '220 greeter is ready\nHELO')
  }
  const secure = await curled(a, [
    '--cacert',
    join(home, 'cert'),
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    'https://auto.default.mesh/',
  ])
  t.same(secure, { code: 0, stdout: '200', stderr: '' })
})

t.test('what is no HTTP is refused on a port that declares it', async t => {
  t.equal(await call(a, 'tcp', { host: 'nginx.default.mesh', port: 80 }, '\x01\x02\x03 no request', web), 'ECONNRESET')
  await logged(mesh, 'a', { reason: 'NOT_HTTP' })
  t.equal(await call(out, 'tcp', { host: b.address4, port: 8001 }, '\x01\x02\x03 no request'), 'ECONNRESET')
  await logged(mesh, 'b', { reason: 'NOT_HTTP' })
})

t.test('a stranger is served in plaintext, until PeerAuthentication says STRICT', async t => {
  const ask = async () => {
    const { code, stdout } = await curled(out, [`http://${b.address4}:8001/echo`], {})
    return code === 0 ? stdout : `curl ${code}`
  }
  t.equal(await ask(), 'GET')
  await mesh.apply(`
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: weft-system }
spec: { mtls: { mode: STRICT } }
`)
  await until('strangers are refused', async () => (await ask()) === reset)
  t.equal((await curled(a, ['http://nginx.default.mesh/echo'])).stdout, 'GET', 'and the mesh is served')
})
