import { readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type RequestListener, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { DataThreadReport, FinishedSpan } from '../../agent/dataplane/messages.ts'
import { startDataPlane } from '../../agent/dataplane/start.ts'
import { httpSlots } from '../../agent/dataplane/telemetry/http-series.ts'
import { createSpanExporter } from '../../agent/telemetry/otlp.ts'
import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import type { MeshSettingsSpec } from '../../mesh/model/traffic.ts'
import { systemClock } from '../../mesh/std/clock.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { aConfig, anEndpoint, aService, aWorkload } from '../support/agent-config.ts'
import { aMeshedPair, aThread, aTrustedMesh, identityOf } from '../support/data-threads.ts'
import { until } from '../support/eventually.ts'

/** Requests from one data thread through another to a process of HTTP, and what both sides say of them. */

async function anApplication(t: Test, serve: RequestListener): Promise<number> {
  const server = createServer(serve)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

function get(port: number, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = send({ port, host: '127.0.0.1', path, headers: { host: 'api.default.mesh', ...headers } })
    request.on('error', reject)
    request.on('response', response => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', text => {
        body += text
      })
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }))
    })
    request.end()
  })
}

/** The mesh's settings on both sides; the called one's workload is labelled as what it is. */
function withMesh(mesh: MeshSettingsSpec) {
  const caller = (config: AgentConfig): AgentConfig => ({ ...config, traffic: { ...config.traffic, mesh } })
  const callee = (config: AgentConfig): AgentConfig => ({
    ...caller(config),
    workloads: config.workloads.map(workload => ({ ...workload, labels: { app: 'api' } })),
  })
  return { caller, callee }
}

const requestsOf = ({ http }: DataThreadReport) =>
  http.map(({ labels, values }) => {
    const label = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(labels)?.[1]
    const { duration } = httpSlots
    return {
      count: values.slice(duration, httpSlots.requestBytes - 1).reduce((sum, one) => sum + one, 0),
      reporter: label('reporter'),
      code: label('response_code'),
      flags: label('response_flags'),
      from: label('source_workload'),
      to: label('destination_workload'),
      service: label('destination_service'),
      security: label('connection_security_policy'),
    }
  })

t.test('both sides count a request and have a line for it, under one id', async t => {
  const seen: IncomingHttpHeaders[] = []
  const port = await anApplication(t, (request, response) => {
    seen.push(request.headers)
    response.writeHead(request.url === '/missing' ? 404 : 200, { 'content-type': 'text/plain' }).end('hello')
  })
  const files = { caller: join(t.testdir(), 'caller.log'), callee: join(t.testdir(), 'callee.log') }
  const pair = await aMeshedPair(t, port, { protocol: 'http', accessLog: files })
  t.match(await get(pair.outboundPort, '/x?y', { 'user-agent': 'test/1 "quoted"' }), { status: 200, body: 'hello' })
  t.match(await get(pair.outboundPort, '/missing', { 'x-request-id': 'mine' }), { status: 404 })
  await until('both are counted by the caller', () => requestsOf(pair.caller.report()).length === 2)
  await until('both are counted by the called side', () => requestsOf(pair.callee.report()).length === 2)
  for (const [core, reporter] of [
    [pair.caller, 'source'],
    [pair.callee, 'destination'],
  ] as const) {
    const common = { count: 1, reporter, from: 'web-1', to: 'api-1', flags: '-', security: 'mutual_tls' }
    t.match(
      requestsOf(core.report()),
      [
        { ...common, code: '200' },
        { ...common, code: '404' },
      ],
      reporter,
    )
    t.same(core.report().localReplies, [], 'the application has answered')
  }
  t.equal(requestsOf(pair.caller.report())[0]?.service, 'api.default.mesh')
  await Promise.all([pair.caller.drain(0), pair.callee.drain(0)])
  const linesOf = (file: string): Readonly<Record<string, unknown>>[] =>
    readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
      .filter(line => 'route_name' in line)
  const [caller, callee] = [linesOf(files.caller), linesOf(files.callee)]
  t.match(caller[0], {
    method: 'GET',
    path: '/x?y',
    response_code: 200,
    response_code_details: 'via_upstream',
    user_agent: 'test/1 "quoted"',
    bytes_sent: 5,
    authority: 'api.default.mesh',
    weft_direction: 'outbound',
    weft_reason: 'OK',
  })
  t.match(caller[1], { response_code: 404, request_id: 'mine' })
  t.match(callee[1], { response_code: 404, request_id: 'mine', weft_direction: 'inbound' })
  t.match(caller[0]?.request_id, /^[0-9a-f-]{36}$/)
  t.equal(callee[0]?.request_id, caller[0]?.request_id, 'the same request is found on both hosts')
  t.equal(seen[0]?.['x-request-id'], caller[0]?.request_id)
})

t.test('a request that finds nobody is answered with its reason, counted and logged', async t => {
  const file = join(t.testdir(), 'caller.log')
  const noEndpoints = (config: AgentConfig): AgentConfig => ({
    ...config,
    services: config.services.map(service => ({ ...service, endpoints: [] })),
    traffic: { ...config.traffic, mesh: { accessLogEncoding: 'TEXT' } },
  })
  const pair = await aMeshedPair(t, 1, { protocol: 'http', caller: noEndpoints, accessLog: { caller: file } })
  const answer = await get(pair.outboundPort, '/')
  t.equal(answer.status, 503)
  t.match(answer.headers['weft-reason'], /^NO_HEALTHY_ENDPOINT/)
  t.equal(answer.body, 'no healthy upstream')
  await until('it is counted', () => pair.caller.report().localReplies.length === 1)
  t.same(pair.caller.report().localReplies, [{ direction: 'outbound', reason: 'NO_HEALTHY_ENDPOINT', count: 1 }])
  t.match(requestsOf(pair.caller.report()), [{ code: '503', flags: 'UH', to: 'unknown', security: 'unknown' }])
  await pair.caller.drain(0)
  t.match(readFileSync(file, 'utf8'), /"GET \/ HTTP\/1.1" 503 UH no_healthy_upstream .* NO_HEALTHY_ENDPOINT "/)
})

t.test('a traced request has a client span, a server span below it, and the application below that', async t => {
  let seen: IncomingHttpHeaders = {}
  const port = await anApplication(t, (request, response) => {
    seen = request.headers
    response.end('ok')
  })
  const spans: FinishedSpan[] = []
  const tracing = { otlpEndpoint: 'http://127.0.0.1:4318', sampling: 0 }
  const sink = (finished: readonly FinishedSpan[]) => void spans.push(...finished)
  const pair = await aMeshedPair(t, port, { protocol: 'http', ...withMesh({ tracing }), spans: sink })
  await get(pair.outboundPort, '/quiet')
  t.equal(seen.traceparent, undefined, 'a request that is not traced is left as it is')
  await get(pair.outboundPort, '/x', { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` })
  await until('both spans are there', () => spans.length === 2)
  const client = spans.find(span => span.kind === 'client')
  const server = spans.find(span => span.kind === 'server')
  t.match(client, { traceId: 'a'.repeat(32), parentId: 'b'.repeat(16), service: 'web.default' })
  t.equal(client?.name, 'api.default.mesh:80/*')
  t.match(server, { traceId: 'a'.repeat(32), parentId: client?.spanId, service: 'api.default' })
  t.equal(seen.traceparent, `00-${'a'.repeat(32)}-${server?.spanId}-01`)
})

t.test('spans of a real data thread come to the collector that the mesh names', async t => {
  const port = await anApplication(t, (_request, response) => response.end('ok'))
  const got: string[] = []
  const collector = await anApplication(t, (request, response) => {
    request.setEncoding('utf8').on('data', text => got.push(text))
    request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'))
  })
  const otlpEndpoint = `http://127.0.0.1:${collector}`
  const exporter = createSpanExporter({ log: silentLog, clock: systemClock }, 'h2', '1')
  t.teardown(() => exporter.stop())
  exporter.configure(otlpEndpoint)
  const failed = (error: Error) => t.fail(error.message)
  const threads = startDataPlane({ log: silentLog, failed, spans: spans => exporter.add(spans) }, { threads: 1 })
  t.teardown(() => threads.stop())
  const mesh = aTrustedMesh()
  const { caller, callee } = withMesh({ tracing: { otlpEndpoint, sampling: 0 } })
  const ports = [{ port, protocol: 'http', mtls: 'STRICT', mtlsFrom: 'default', service: 'default/api' } as const]
  const api = aWorkload({ id: 'static/api-1', name: 'api-1', address: '127.0.0.1', identity: identityOf('api'), ports })
  await threads.apply(callee(aConfig({ trust: mesh.trust, workloads: [api] })))
  threads.credentials([mesh.credential('api')])
  const [bound] = await threads.listen([{ name: 'hbone', role: { kind: 'hbone' }, host: '127.0.0.1', port: 0 }])
  const web = await aThread(
    t,
    { kind: 'outbound', identity: identityOf('web') },
    {
      ...(bound?.port !== undefined && { hbonePort: bound.port }),
      originalDst: { address: '240.240.0.1', port: 80 },
    },
  )
  const endpoint = anEndpoint({ address: '127.0.0.1', ports: { http: port } })
  const services = [aService({ endpoints: [endpoint] })]
  web.core.config(caller(aConfig({ trust: mesh.trust, workloads: [aWorkload()], services })))
  web.core.credentials([mesh.credential('web')])

  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  t.match(await get(web.port, '/x', { traceparent }), { status: 200 })
  await until('the span has come', () => got.join('').includes('"api.default"'))
  t.match(got.join(''), /"traceId":"a{32}"/)
  t.match(got.join(''), /"node_id","value":\{"stringValue":"h2"\}/)
  await until('the thread has counted it', async () => (await threads.collect()).http.length === 1)
})
