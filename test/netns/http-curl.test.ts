import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { callerAndServices, curled, httpOrigin, nothingOpen, web } from './http-mesh.ts'
import { createMesh } from './mesh.ts'
import { agentMetric, call, logged } from './mesh-probe.ts'
import { testBytes } from './programs/test-bytes.ts'

// curl and bare sockets on `a`, an HTTP/1.1 and an HTTP/2 server of Node on `b`; what curl gets on `b` itself, without
// the mesh, it must get through the mesh too.
const mesh = await createMesh(t, {
  hosts: ['a', 'b'],
  files: hosts => callerAndServices(hosts, { api: { http: [80, 8001], 'http2-two': [81, 8002] } }),
})
const { a, b } = mesh.hosts
const origin = await httpOrigin(b, ['8001', '2:8002'])
const host = 'api.default.mesh'
const api = `http://${host}`

const bytes = testBytes(1 << 20)
const digest = createHash('sha256').update(bytes).digest('hex')
const file = join(mesh.directory, 'body')
writeFileSync(file, bytes, { mode: 0o644 })

/** Through the mesh, and from the server's own host without it. */
async function both(path: string, args: readonly string[] = []) {
  const meshed = await curled(a, [...args, `${api}${path}`])
  const direct = await curled(b, [...args, `http://127.0.0.1:8001${path}`], {})
  return { meshed, direct }
}

const facts = async (args: readonly string[], path = '/facts') =>
  JSON.parse((await curled(a, [...args, `${api}${path}`])).stdout)
const said = (args: readonly string[]) => [
  '-o',
  '/dev/null',
  '-w',
  '%{http_code} %{http_version} %{size_download}',
  ...args,
]

// Whatever a test does, nothing of it stays open.
t.afterEach(() => nothingOpen(mesh, 'a', 'b'))

t.test('a request is answered as it is without the mesh, in whatever version the client speaks', async t => {
  for (const version of ['--http1.0', '--http1.1', '--http2-prior-knowledge', '--http2']) {
    const answer = await curled(a, said([version, `${api}/bytes/1000`]))
    const spoken = { '--http1.0': '1.1', '--http1.1': '1.1', '--http2-prior-knowledge': '2', '--http2': '1.1' }[version]
    t.same(answer, { code: 0, stdout: `200 ${spoken} 1000`, stderr: '' }, version)
    const chunked = await curled(a, said([version, `${api}/chunked/100000`]))
    t.match(chunked, { code: 0, stdout: /^200 .* 100000$/ }, `${version}: a body of unknown length`)
    const two = await curled(a, said([version, `${api}:81/chunked/1000`]))
    t.match(two, { code: 0, stdout: /^200 .* 1000$/ }, `${version}: to a server of HTTP/2`)
  }
  for (const name of ['a', 'b'] as const) await logged(mesh, name, { protocol: 'HTTP/2', response_code: 200 })
  await logged(mesh, 'a', { protocol: 'HTTP/1.0', response_code: 200 })
})

t.test('what arrives is what was said, and who said it', async t => {
  const args = ['-H', 'X-Two: a', '-H', 'X-Two: b', '-H', 'Accept:', '-A', 'me', '-X', 'PURGE']
  const seen = await facts(args, '/facts/1?q=%20x&y')
  t.match(seen, { method: 'PURGE', url: '/facts/1?q=%20x&y' })
  const values = (name: string) =>
    seen.fields.filter(([field]: [string]) => field.toLowerCase() === name).map(([, value]: [string, string]) => value)
  t.same(values('x-two'), ['a', 'b'], 'two fields stay two')
  t.same(values('user-agent'), ['me'])
  t.same(values('accept'), [])
  t.same(values('host'), [host])
  t.match(
    values('x-forwarded-client-cert')[0],
    /^By=spiffe:.*sa\/api;Hash=[0-9a-f]{64};Subject="";URI=spiffe:.*sa\/web$/,
  )
  t.same(
    seen.fields.filter(([field]: [string]) => /weft/i.test(field)),
    [],
    'nothing that only agents say to each other',
  )
})

t.test(
  '1 MiB arrives whole, with a length or in chunks, whether or not the client waits to be told to go on',
  async t => {
    const wanted = `${bytes.length} ${digest}`
    for (const args of [
      [],
      ['-H', 'Transfer-Encoding: chunked'],
      ['-H', 'Expect:'],
      ['--http1.0'],
      ['--http2-prior-knowledge'],
    ]) {
      const sent = await curled(a, ['--data-binary', `@${file}`, ...args, `${api}/sum`])
      t.same(sent, { code: 0, stdout: wanted, stderr: '' }, args.join(' '))
    }
    const waited = await curled(a, ['-v', '--expect100-timeout', '15', '-T', file, `${api}/sum`])
    t.match(waited, { code: 0, stdout: wanted, stderr: /HTTP\/1\.1 100 Continue/ })
    const echoed = await a.must('sh', ['-c', `curl -sS --data-binary @${file} ${api}/echo | sha256sum`], web)
    t.equal(echoed.split(' ')[0], digest, 'both ways at once')
  },
)

t.test('an upload that is refused before it was read ends with the refusal', async t => {
  const args = ['--expect100-timeout', '15', '-T', file, '-o', '/dev/null', '-w', '%{http_code} %{size_upload}']
  const { stdout } = await curled(a, [...args, `${api}/early`])
  t.equal(stdout, '413 0', 'nothing of it was sent')
  const unasked = await curled(a, ['-H', 'Expect:', ...args, `${api}/early`])
  t.match(unasked.stdout, /^413 /)
})

t.test('trailers, empty answers and large heads pass as they are', async t => {
  const raw = await call(
    a,
    'raw',
    { host, port: 80 },
    request('GET /trailers', ['Connection: close', 'TE: trailers']),
    web,
  )
  t.match(raw, /\r\n4\r\nbody\r\n0\r\nx-sum: of the body$/i)
  for (const path of ['/bytes/1000', '/chunked/1000', '/bytes/0']) {
    const { meshed, direct } = await both(path, ['-I'])
    t.equal(fieldIn(meshed.stdout, 'content-length'), fieldIn(direct.stdout, 'content-length'), `HEAD ${path}`)
    t.equal(meshed.code, 0)
  }
  const big = await curled(a, [
    '-H',
    `x-big: ${'a'.repeat(50_000)}`,
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    `${api}/facts`,
  ])
  t.equal(big.stdout, '200')
  const bigger = await curled(a, [
    '-H',
    `x-big: ${'a'.repeat(62_000)}`,
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    `${api}/facts`,
  ])
  t.equal(bigger.stdout, '431')
  await logged(mesh, 'a', { response_code: 431, weft_reason: 'HEADERS_TOO_LARGE' })
  const answered = await curled(a, said([`${api}/big/50000`]))
  t.equal(answered.stdout, '200 1.1 3')
})

t.test('a connection carries one request after another, also when they all come at once', async t => {
  const kept = await curled(a, [
    '-w',
    ' %{num_connects}\n',
    ...['/sum', '/bytes/0', '/chunked/1', '/sum'].map(path => `${api}${path}`),
  ])
  t.same(kept.stdout.match(/\d$/gm), ['1', '0', '0', '0'])
  const three = ['/big/1', '/close', '/big/2']
    .map((path, at) => request(`GET ${path}`, at === 2 ? ['Connection: close'] : []))
    .join('')
  const heard = await call(a, 'raw', { host, port: 80 }, three, web)
  t.same(heard.match(/^x-big: .*(?=\r$)/gim), ['x-big: b', 'x-big: bb'], 'in their order')
  t.equal(heard.match(/HTTP\/1\.1 200 OK/g)?.length, 3)
  t.match(heard, /the last one/, 'a server that closes its own connection does not close the caller’s')
})

t.test('a client that closes its direction after the request hears the whole answer', async t => {
  const heard = await call(a, 'tcp', { host, port: 80 }, request('GET /chunked/100000'), web)
  t.match(heard, /\r\n0$/)
  const asked = await call(a, 'raw', { host, port: 80 }, request('GET /bytes/0', ['Connection: close']), web)
  t.match(asked, /^connection: close/im)
  const old = await call(
    a,
    'raw',
    { host, port: 80 },
    'GET /chunked/10 HTTP/1.0\r\nHost: api.default.mesh\r\n\r\n',
    web,
  )
  t.notMatch(old, /transfer-encoding/i, 'HTTP/1.0 knows no chunks')
})

t.test('a target in absolute form names the host', async t => {
  const target = `GET ${api}/facts HTTP/1.1\r\nHost: api.default.mesh\r\nConnection: close\r\n\r\n`
  t.match(await call(a, 'raw', { host, port: 80 }, target, web), /^HTTP\/1\.1 200 OK/)
  const proxied = await curled(a, ['-x', `http://${host}:80`, `http://${host}/facts`])
  t.match(JSON.parse(proxied.stdout), { url: '/facts' })
})

t.test('connections to the application are used again, and all of the calling ones are gone', async t => {
  const before = origin.lines('began').length
  for (let round = 0; round < 5; round += 1) await curled(a, [`${api}/bytes/1`])
  const ports = origin
    .lines('began')
    .slice(before)
    .map(line => line.split(' ').at(-1))
  t.equal(new Set(ports).size, 1, ports.join(' '))
  await nothingOpen(mesh, 'a', 'b')
  t.ok((await agentMetric(a, 'istio_requests_total', 'connection_security_policy="mutual_tls"')) > 20)
})

function request(line: string, fields: readonly string[] = []): string {
  return `${[`${line} HTTP/1.1`, `Host: ${host}`, ...fields].join('\r\n')}\r\n\r\n`
}

function fieldIn(head: string, name: string): string | undefined {
  return new RegExp(`^${name}: (.*?)\r?$`, 'im').exec(head)?.[1]
}
