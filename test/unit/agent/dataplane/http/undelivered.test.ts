import { createServer, type IncomingHttpHeaders, type RequestListener, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { H2Connection } from '../../../../../agent/dataplane/h2/connection.ts'
import type { AgentConfig, MeshEndpoint } from '../../../../../mesh/model/agent-config.ts'
import { systemClock } from '../../../../../mesh/std/clock.ts'
import { anEndpoint } from '../../../../support/agent-config.ts'
import { aMeshedPair, type Pair } from '../../../../support/data-threads.ts'

async function anApplication(t: Test, serve: RequestListener): Promise<number> {
  const server = createServer(serve)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

/** A port on which nobody listens. */
async function aDeadPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

function call({ outboundPort }: Pair, method: 'GET' | 'POST'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'api.default.mesh' }
    const request = send({ port: outboundPort, host: '127.0.0.1', method, headers, agent: false }, response => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', text => {
        body += text
      })
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }))
    })
    request.on('error', reject)
    request.end(method === 'POST' ? 'said' : undefined)
  })
}

const withEndpoints = (more: readonly MeshEndpoint[]) => (config: AgentConfig) => ({
  ...config,
  services: config.services.map(service => ({ ...service, endpoints: [...service.endpoints, ...more] })),
})

const withPort = (port: number) => (config: AgentConfig) => ({
  ...config,
  workloads: config.workloads.map(workload => ({
    ...workload,
    ports: workload.ports.flatMap(declared => [declared, { ...declared, port }]),
  })),
})

const dead = (port: number) => anEndpoint({ id: 'static/dead', address: '127.0.0.1', ports: { http: port } })

t.test('an endpoint whose process does not run is not noticed while there is another one', async t => {
  const port = await anApplication(t, (request, response) => request.pipe(response))
  const gone = await aDeadPort()
  for (const [why, callee] of [
    ['LOCAL_CONNECT', withPort(gone)],
    ['NOT_DECLARED', (config: AgentConfig) => config],
  ] as const) {
    const pair = await aMeshedPair(t, port, { protocol: 'http', caller: withEndpoints([dead(gone)]), callee })
    for (let count = 0; count < 20; count += 1) {
      t.match(await call(pair, 'POST'), { status: 200, body: 'said' }, why)
    }
  }
})

t.test('where every endpoint is such a one, the caller is told what its agent has said', async t => {
  const pair = await aMeshedPair(t, await aDeadPort(), { protocol: 'http' })
  const answer = await call(pair, 'GET')
  t.match(answer, { status: 503, headers: { 'weft-reason': /^CONNECT_REFUSED LOCAL_CONNECT .*ECONNREFUSED/ } })
  t.match(answer.body, /^upstream connect error or disconnect\/reset before headers. .*remote connection failure$/)
})

t.test('what an application answers itself is not tried again, whatever it pretends to be', async t => {
  let asked = 0
  const port = await anApplication(t, (_request, response) => {
    asked += 1
    response.writeHead(503, { 'weft-reason': 'LOCAL_CONNECT' }).end('mine')
  })
  const pair = await aMeshedPair(t, port, { protocol: 'http' })
  t.match(await call(pair, 'GET'), { status: 503, body: 'mine' })
  t.equal(asked, 1)
})

t.test('an agent that dies with a request costs none that may be sent twice', async t => {
  const port = await anApplication(t, (request, response) => request.pipe(response))
  const endpoint = anEndpoint({ id: 'static/dying', address: '127.0.0.2', ports: { http: port } })
  const pair = await aMeshedPair(t, port, { protocol: 'http', caller: withEndpoints([endpoint]) })
  let died = 0
  await anAgent(t, pair, socket => {
    died += 1
    socket.destroy()
  })
  for (let count = 0; count < 20; count += 1) t.match(await call(pair, 'GET'), { status: 200 })
  t.ok(died > 0)

  const alone = await aMeshedPair(t, port, {
    protocol: 'http',
    caller: config => ({ ...config, services: config.services.map(one => ({ ...one, endpoints: [endpoint] })) }),
  })
  let heard = 0
  await anAgent(t, alone, socket => {
    heard += 1
    socket.destroy()
  })
  t.match(await call(alone, 'POST'), { status: 503, headers: { 'weft-reason': /^UPSTREAM_RESET / } })
  t.equal(heard, 1, 'the application may have seen it')
})

/** An agent beside that of the pair which gets a request and then does this. */
async function anAgent(t: Test, { mesh, calleePort }: Pair, got: (socket: TLSSocket) => void): Promise<void> {
  const { key, chain: cert } = mesh.credential('api')
  const server = createTlsServer({ key, cert, ALPNProtocols: ['weft/1'] }, socket => {
    socket.on('error', () => {})
    const connection = new H2Connection(socket, 'server', { clock: systemClock, dialect: 'weft', keepalive: false })
    connection.onStream = () => got(socket)
  })
  await new Promise<void>(resolve => server.listen(calleePort, '127.0.0.2', resolve))
  t.teardown(() => server.close())
}
