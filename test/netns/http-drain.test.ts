import t from 'tap'
import { until } from '../support/eventually.ts'
import { curled, httpOrigin, nothingOpen, web } from './http-mesh.ts'
import { createMesh } from './mesh.ts'
import { agentMetric } from './mesh-probe.ts'

t.setTimeout(240_000)

// Two hosts serve the same thing, so that one of them can go.
const mesh = await createMesh(t, {
  hosts: ['a', 'b', 'c'],
  agent: { drainDeadlineMs: 10_000 },
  files: ({ a, b, c }) => ({
    'services.yaml': `
services: [{ name: api, ports: { http: 80, http2-two: 81 } }]
workloads:
  - { name: web-1, node: a, address: ${a.address4}, serviceAccount: web, uid: ${web.uid} }
  - { name: api-1, node: b, address: ${b.address4}, serviceAccount: api, services: { api: { http: 8001, http2-two: 8002 } } }
  - { name: api-2, node: c, address: ${c.address4}, serviceAccount: api, services: { api: { http: 8001, http2-two: 8002 } } }
`,
  }),
})
const { a, b, c } = mesh.hosts
const api = 'http://api.default.mesh'
let origin = await httpOrigin(b, ['8001', '2:8002'])
await httpOrigin(c, ['8001', '2:8002'])
const served = (name: 'b' | 'c') => agentMetric(mesh.hosts[name], 'istio_requests_total', 'response_code="200"')

t.test('an agent that is stopped under load finishes what it has, and no request of the load fails', async t => {
  const n = 6000
  const one = a.exec('h2load', ['--h1', '-n', String(n), '-c', '4', `${api}/bytes/100`], { ...web, timeoutMs: 120_000 })
  const two = a.exec('h2load', ['-n', String(n), '-c', '2', '-m', '4', `${api}:81/bytes/100`], {
    ...web,
    timeoutMs: 120_000,
  })
  await until('both serve', async () => (await served('b')) > 100 && (await served('c')) > 100)
  const agent = mesh.agents.b.process
  await mesh.agents.b.kill('SIGTERM')
  t.equal(await agent.exited, 0)
  const before = await served('c')
  for (const { stdout } of await Promise.all([one, two])) {
    t.match(/^requests: .*$/m.exec(stdout)?.[0], new RegExp(` ${n} succeeded, 0 failed, 0 errored, 0 timeout`))
    t.match(/^status codes: .*$/m.exec(stdout)?.[0], new RegExp(`^status codes: ${n} 2xx`))
  }
  t.ok((await served('c')) > before, 'some of them came after the end')
  await mesh.agents.b.start()
  await mesh.settled()
  await nothingOpen(mesh, 'a', 'b', 'c')
})

t.test('the calling agent that is stopped ends kept connections with its answers', async t => {
  const began = origin.lines('began').length
  const waiting = a.spawn('sh', ['-c', `curl -sS -i -d x http://${b.address4}:8001/late`], web)
  await until('the request is under way', () => origin.lines('began').length > began)
  const agent = mesh.agents.a.process
  const stopping = mesh.agents.a.kill('SIGTERM')
  await agent.line('the agent stops')
  origin.write('go\n')
  t.equal(await waiting.exited, 0, waiting.output.stderr)
  t.match(waiting.output.stdout, /^HTTP\/1\.1 200 OK\r$/m)
  t.match(waiting.output.stdout, /^connection: close\r$/im)
  await stopping
  t.equal(await agent.exited, 0, 'and with nothing open any more the agent ends')
  await mesh.agents.a.start()
  await mesh.settled()
})

t.test('a server that was started anew between two requests has not lost the second one', async t => {
  for (const port of ['8001', '8002']) {
    for (const body of [[], ['-d', 'x']]) {
      const ask = async () =>
        (await curled(a, [...body, '-w', '%{http_code}', '-o', '/dev/null', `http://${b.address4}:${port}/sum`])).stdout
      t.equal(await ask(), '200')
      await origin.kill()
      origin = await httpOrigin(b, ['8001', '2:8002'])
      t.equal(await ask(), '200', `port ${port} ${body.join(' ')}`)
    }
  }
})

t.test('a request that the server may have acted upon is sent once', async t => {
  for (const port of ['8001', '8002']) {
    const ask = (path: string, ...args: string[]) =>
      curled(a, [...args, '-w', '%{http_code}', '-o', '/dev/null', `http://${b.address4}:${port}${path}`])
    t.equal((await ask('/sum')).stdout, '200', 'now there is a kept connection')
    const heard = origin.lines('heard').length
    t.equal((await ask('/silent', '-d', 'x')).stdout, '503')
    t.equal(origin.lines('heard').length, heard + 1, `POST to port ${port}`)
    t.equal((await ask('/sum')).stdout, '200')
    t.equal((await ask('/silent')).stdout, '503')
    t.equal(origin.lines('heard').length, heard + 3, 'what is idempotent is tried once more on a new connection')
  }
})
