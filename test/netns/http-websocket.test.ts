import { join } from 'node:path'
import t from 'tap'
import { until } from '../support/eventually.ts'
import { callerAndServices, curled, nothingOpen, web } from './http-mesh.ts'
import { createMesh } from './mesh.ts'
import { logged } from './mesh-probe.ts'

// The client and the server of `ws` on ports that declare `http` and nothing.
const mesh = await createMesh(t, {
  hosts: ['a', 'b'],
  files: hosts => callerAndServices(hosts, { api: { http: [80, 8001], auto: [82, 8001] } }),
})
const { a, b } = mesh.hosts
const program = (name: string) => join(import.meta.dirname, 'programs', name)
const startOrigin = async () => {
  const started = b.spawn(process.execPath, [program('ws-origin.ts'), '8001'])
  await started.line('listening')
  return started
}
let origin = await startOrigin()

t.afterEach(() => nothingOpen(mesh, 'a', 'b'))

/** A client that is connected. */
async function open(port = 80) {
  const client = a.spawn(process.execPath, [program('ws-client.ts'), `ws://api.default.mesh:${port}/talk?to=me`], web)
  await client.line('open echo')
  return client
}

for (const [declared, port] of [
  ['declared http', 80],
  ['that declares nothing', 82],
] as const) {
  t.test(`messages of every kind and size pass both ways on a port ${declared}`, async t => {
    const client = await open(port)
    await client.line('pinged')
    t.equal(await origin.line('connected'), 'connected /talk?to=me by someone')
    client.write('text hello\n')
    t.equal(await client.line('text'), 'text hello')
    client.write('binary 0\nbinary 1\nbinary 70000\nbinary 1048576\ntext *600000\nping now\n')
    await client.line('pong now')
    await until('all are back', () => client.lines(/^(binary|text)/).length === 6)
    t.same(client.lines(/^(binary|text)/).slice(1), [
      'binary 0 true',
      'binary 1 true',
      'binary 70000 true',
      'binary 1048576 true',
      'text 1200000',
    ])
    client.write('close 4001 enough\n')
    t.equal(await client.line('closed'), 'closed 4001 enough')
    await origin.line('closed 4001 enough')
  })
}

t.test('a server closes with a code and a reason', async t => {
  const client = await open()
  origin.write('4321 go away\n')
  t.equal(await client.line('closed'), 'closed 4321 go away')
  await origin.line('closed 4321 go away')
})

t.test('one side that is gone without a word is gone for the other too', async t => {
  const client = await open()
  const closed = origin.lines('closed').length
  await client.kill()
  await until(
    'the server knows',
    () => origin.lines('closed 1006').length > 0 && origin.lines('closed').length === closed + 1,
  )
  await nothingOpen(mesh, 'a', 'b')
  const other = await open()
  await origin.kill()
  t.match(await other.line('closed'), /^closed 1006/)
  t.match(await logged(mesh, 'a', { response_code: 101 }), { path: '/talk?to=me', method: 'GET' })
  origin = await startOrigin()
})

t.test('what is not granted is an ordinary answer', async t => {
  const upgrade = ['-H', 'Connection: Upgrade', '-H', 'Upgrade: websocket', '-H', 'Sec-WebSocket-Version: 13']
  const refused = await curled(a, [...upgrade, '-w', ' %{http_code}', 'http://api.default.mesh/'])
  t.match(refused.stdout, / 400$/, 'without a key')
  const plain = await curled(a, ['-w', ' %{http_code}', 'http://api.default.mesh/'])
  t.match(plain.stdout, / 426$/, 'a request that asks for nothing')
})
