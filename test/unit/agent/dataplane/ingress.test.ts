import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request as httpRequest } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { buildTable } from '../../../../agent/dataplane/table.ts'
import type { AgentConfig } from '../../../../mesh/model/agent-config.ts'
import type { SidecarSpec } from '../../../../mesh/model/traffic.ts'
import { aConfig, aWorkload } from '../../../support/agent-config.ts'
import { aLocalServer, aMeshedPair, aThread, exchange } from '../../../support/data-threads.ts'

type Ingress = NonNullable<SidecarSpec['ingress']>

/** Nothing listens there: whoever gets an answer was delivered elsewhere. */
const declared = 1

function withIngress(ingress: Ingress) {
  return (config: AgentConfig): AgentConfig => {
    const sidecar = { namespace: 'default', name: 's', createdAt: 0, spec: { ingress } }
    return { ...config, traffic: { ...config.traffic, sidecars: [sidecar] } }
  }
}

const deliverTo = (defaultEndpoint: string) => withIngress([{ port: { number: declared }, defaultEndpoint }])

t.test('a connection for a port is delivered where the Sidecar says', async t => {
  const port = await aLocalServer(t, socket => socket.pipe(socket))
  for (const endpoint of [`127.0.0.1:${port}`, `0.0.0.0:${port}`, `:${port}`]) {
    const pair = await aMeshedPair(t, declared, { callee: deliverTo(endpoint) })
    t.same(await exchange(pair.outboundPort, 'hello'), { text: 'hello' }, endpoint)
  }
})

t.test('a connection is delivered to a unix socket in a directory of the setting', async t => {
  const directory = aSocketDirectory(t)
  const path = join(directory, 'app.sock')
  const server = createTcpServer({ allowHalfOpen: true }, socket => socket.pipe(socket))
  await new Promise<void>(resolve => server.listen(path, resolve))
  t.teardown(() => server.close())
  const callee = deliverTo(`unix://${path}`)
  const pair = await aMeshedPair(t, declared, { callee, calleeOptions: { socketDirectories: [directory] } })
  t.same(await exchange(pair.outboundPort, 'hello'), { text: 'hello' })
  const other = await aMeshedPair(t, declared, { callee, calleeOptions: { socketDirectories: [`${directory}/app`] } })
  t.match(await exchange(other.outboundPort, 'hello'), { text: '', error: 'ECONNRESET' })
})

t.test('a request is delivered to a unix socket, over a connection that is kept', async t => {
  const directory = aSocketDirectory(t)
  const path = join(directory, 'app.sock')
  let connections = 0
  const server = createServer((incoming, outgoing) => outgoing.end(`${incoming.method} ${incoming.url}`))
  server.on('connection', () => {
    connections += 1
  })
  await new Promise<void>(resolve => server.listen(path, resolve))
  t.teardown(() => server.close())
  const { outboundPort } = await aMeshedPair(t, declared, {
    protocol: 'http',
    callee: deliverTo(`unix://${path}`),
    calleeOptions: { socketDirectories: [directory] },
  })
  t.equal(await get(outboundPort, '/a'), '200 GET /a')
  t.equal(await get(outboundPort, '/b'), '200 GET /b')
  t.equal(connections, 1)
})

t.test('plaintext from outside is delivered there too, and elsewhere once the Sidecar says so', async t => {
  const answering = (text: string) => aLocalServer(t, socket => socket.end(text))
  const ports = [await answering('first'), await answering('second')]
  const originalDst = { address: '10.77.0.1', port: 9090 }
  const { core, port: inbound } = await aThread(t, { kind: 'inbound-plaintext' }, { originalDst })
  const told: string[] = []
  for (const port of ports) {
    const ingress = withIngress([{ port: { number: 9090 }, defaultEndpoint: `127.0.0.1:${port}` }])
    t.same(core.config(ingress(aConfig({ workloads: [aWorkload()] }))), [])
    told.push((await exchange(inbound, 'hello')).text)
  }
  t.same(told, ['first', 'second'])
})

t.test('a port that declares nothing else is served in what its ingress declares', async t => {
  const { table } = build([{ port: { number: 9090, protocol: 'GRPC' } }])
  t.match(table.local.get('10.77.0.1:9090'), { port: { protocol: 'grpc' }, to: { text: '10.77.0.1:9090' } })
  t.match(build([]).table.local.get('10.77.0.1:9090'), { port: { protocol: 'tcp' }, to: { text: '10.77.0.1:9090' } })
})

t.test('what cannot be delivered is not served, and said', async t => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ['unix:///run/docker.sock', /leads to \/run\/docker\.sock, which lies in no directory .* inbound\.unixSockets/],
    ['unix:///run/shopping/a.sock', /no directory/],
    ['127.0.0.1:15008', /leads to port 15008, the agent's own/],
    ['10.0.0.1:80', /does not know/],
  ]
  for (const [defaultEndpoint, reason] of rows) {
    const { table, rejected } = build([{ port: { number: 9090 }, defaultEndpoint }])
    t.match(rejected, [{ name: 'workload/static/web-1', reason }], defaultEndpoint)
    t.equal(table.local.size, 0)
  }
})

t.test('a port is served at the workload’s own address, and bound to no other', async t => {
  for (const bind of ['', '0.0.0.0', '::', '10.77.0.1']) {
    const { table, rejected } = build([{ port: { number: 9090 }, bind }])
    t.same(rejected, [], bind)
    t.equal(table.local.size, 1)
  }
  for (const bind of ['::1', '10.77.0.2']) {
    const { table, rejected } = build([{ port: { number: 9090 }, bind }])
    const reason = `the ingress of its Sidecar for port 9090 is bound to ${bind}, and the workload is at 10.77.0.1`
    t.same(rejected, [{ name: 'workload/static/web-1', reason }])
    t.equal(table.local.size, 0)
  }
})

/** Names of sockets are short. */
function aSocketDirectory(t: { teardown(stop: () => unknown): void }): string {
  const directory = mkdtempSync(join(tmpdir(), 'weft-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

function build(ingress: Ingress) {
  return buildTable(withIngress(ingress)(aConfig({ workloads: [aWorkload()] })), undefined, ['/run/shop'])
}

function get(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { Host: 'api.default.mesh' }
    const outgoing = httpRequest({ port, host: '127.0.0.1', path, headers }, incoming => {
      let body = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (text: string) => {
        body += text
      })
      incoming.on('end', () => resolve(`${incoming.statusCode} ${body}`))
      incoming.on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}
