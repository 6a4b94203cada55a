import { join } from 'node:path'
import t from 'tap'
import { until } from '../support/eventually.ts'
import { callerAndServices, listens, nothingOpen, web } from './http-mesh.ts'
import { createMesh } from './mesh.ts'
import { agentMetric, logged } from './mesh-probe.ts'

// gRPC's own client and server, and nghttp2's, on ports that declare `grpc` and `http2`.
const mesh = await createMesh(t, {
  hosts: ['a', 'b'],
  files: hosts =>
    callerAndServices(hosts, { api: { grpc: [50051, 9001], 'http2-files': [81, 9002], auto: [82, 9001] } }),
})
const { a, b } = mesh.hosts
const program = (name: string) => join(import.meta.dirname, 'programs', name)
const origin = b.spawn(process.execPath, [program('grpc-origin.ts'), '0.0.0.0', '9001'])
const files = b.spawn('nghttpd', ['--no-tls', '--echo-upload', '-d', mesh.directory, '9002'])
await Promise.all([origin.line('listening'), listens(b, 9002)])

t.afterEach(() => nothingOpen(mesh, 'a', 'b'))

for (const [declared, port] of [
  ['declared grpc', 50051],
  ['that declares nothing', 82],
] as const) {
  t.test(`calls of every kind work on a port ${declared}`, async t => {
    const cancels = origin.lines('cancelled').length
    const client = a.spawn(process.execPath, [program('grpc-client.ts'), 'api.default.mesh', String(port)], web)
    await client.line('"name":"waiting"', 60_000)
    t.ok(origin.lines('waits until a deadline').length > 0, 'a deadline is told to the server')
    await until('the call that is to be taken back has arrived', () => origin.lines('waits for ever').length > 0)
    await until('the server saw the deadline pass', () => origin.lines('cancelled').length > cancels)
    client.write('\n')
    await client.line('"name":"cancelled"')
    await until('the server was told of the cancelled one too', () => origin.lines('cancelled').length === cancels + 2)
    const said = client.lines('{').map(line => JSON.parse(line))
    t.same(said, [
      { name: 'unary', what: { answer: 'hi', code: 0, said: ['hello'], bytes: '00ff0a0d', trailer: ['words'] } },
      { name: 'large', what: true },
      { name: 'empty', what: 0 },
      { name: 'fail', what: { code: 5, details: 'it fails – always', why: ['because'] } },
      { name: 'fail', what: { code: 14, details: 'it fails – always', why: ['because'] } },
      { name: 'collect', what: '1000 1000000' },
      { name: 'spread', what: { count: 1000, last: '999', code: 0 } },
      { name: 'chat', what: { heard: ['one', 'two', 'three'], code: 0 } },
      { name: 'half', what: { messages: ['one'], code: 15, details: 'no more' } },
      { name: 'absent', what: 0 },
      { name: 'deadline', what: true },
      { name: 'waiting', what: true },
      { name: 'cancelled', what: 1 },
    ])
  })
}

t.test('calls are counted by their status, and messages one by one', async t => {
  for (const name of ['a', 'b'] as const) {
    const host = mesh.hosts[name]
    await until(
      `${name} has counted`,
      async () => (await agentMetric(host, 'istio_requests_total', 'grpc_response_status="5"')) === 2,
    )
  }
  t.ok((await agentMetric(a, 'istio_request_messages_total')) >= 2000, 'of the streams of the caller')
  t.ok((await agentMetric(a, 'istio_response_messages_total')) >= 2000, 'of the streams of the server')
  t.ok(await logged(mesh, 'a', { path: '/test.Calls/Wait', weft_reason: 'CLIENT_RESET' }))
})

t.test('a server that does not run is UNAVAILABLE', async t => {
  await origin.kill()
  const client = a.spawn(process.execPath, [program('grpc-client.ts'), 'api.default.mesh', '50051'], web)
  t.match(JSON.parse(await client.line('"name":"unary"')), { what: { code: 14 } })
  await client.kill()
})

t.test('nghttp2’s clients and server: many streams at once, with bodies', async t => {
  const base = 'http://api.default.mesh:81'
  const body = join(mesh.directory, 'a.json')
  const load = async (...args: string[]) => {
    const said = await a.must('h2load', [...args], { ...web, timeoutMs: 60_000 })
    return /^requests: .*$/m.exec(said)?.[0]
  }
  t.match(
    await load('-n', '3000', '-c', '10', '-m', '50', `${base}/a.json`),
    / 3000 succeeded, 0 failed, 0 errored, 0 timeout/,
  )
  t.match(
    await load('-n', '500', '-c', '5', '-m', '20', '-d', body, `${base}/echo`),
    / 500 succeeded, 0 failed, 0 errored, 0 timeout/,
  )
  t.match(
    await load('--h1', '-n', '1000', '-c', '10', `${base}/a.json`),
    / 1000 succeeded, 0 failed, 0 errored, 0 timeout/,
  )
  const got = await a.must('nghttp', ['--no-dep', '-d', body, `${base}/echo`], web)
  t.same(JSON.parse(got), JSON.parse(await b.must('cat', [body])))
  await files.kill()
})
