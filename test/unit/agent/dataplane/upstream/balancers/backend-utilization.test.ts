import { createServer, request as httpRequest } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2, type ServerHttp2Stream } from 'node:http2'
import type { Server } from 'node:net'
import t from 'tap'
import type { ClusterEndpoint } from '../../../../../../agent/dataplane/upstream/endpoint.ts'
import { aConfig, aPlainEndpoint, aService, aWorkload } from '../../../../../support/agent-config.ts'
import { aCluster, clusterEndpoints, countPicks } from '../../../../../support/cluster.ts'
import { aThread, identityOf } from '../../../../../support/data-threads.ts'
import { until } from '../../../../../support/eventually.ts'
import { routingWorld } from '../../../../../support/routing-world.ts'

const balancer = {
  kind: 'backend-utilization',
  warmup: undefined,
  stabilizationMs: 10_000,
  expirationMs: 180_000,
  updateMs: 1000,
  errorPenalty: 1,
  metrics: [],
} as const

const report = (requests: number, utilization: number) => [
  'endpoint-load-metrics',
  `TEXT rps_fractional=${requests},application_utilization=${utilization}`,
]

function sharesOf(pick: () => ClusterEndpoint | undefined, endpoints: readonly ClusterEndpoint[]): readonly number[] {
  const counts = countPicks(pick, 10_000)
  return endpoints.map(({ key }) => Math.round((counts.get(key) ?? 0) / 100))
}

t.test('endpoints get traffic by what they report, once it counts, and until it does no more', async t => {
  const endpoints = clusterEndpoints(3, index => ({ weight: index + 1 }))
  const { cluster, clock } = aCluster({ balancer }, endpoints)
  const [one, two] = endpoints
  if (one === undefined || two === undefined) return t.fail('no endpoints')
  const shares = () => sharesOf(() => cluster.pick(), endpoints)
  const even = [33, 33, 33]
  t.same(shares(), even, 'whatever the registry says of weights')
  cluster.reported(one, report(100, 0.5))
  cluster.reported(two, report(100, 0.25))
  await clock.advance(9_999)
  t.same(shares(), even)
  await clock.advance(1000)
  t.same(shares(), [22, 44, 33], 'one that says nothing gets the average')
  cluster.reported(one, report(100, 0.125))
  t.same(shares(), [22, 44, 33], 'weights are brought up to date once a second')
  await clock.advance(1000)
  t.same(shares(), [44, 22, 33])
  await clock.advance(181_000)
  t.same(shares(), even)
})

t.test('an endpoint alone with its report gets no more than the others', async t => {
  const endpoints = clusterEndpoints(2)
  const { cluster, clock } = aCluster({ balancer: { ...balancer, stabilizationMs: 0 } }, endpoints)
  const [one] = endpoints
  if (one === undefined) return t.fail('no endpoint')
  cluster.reported(one, report(1000, 0.01))
  await clock.advance(1000)
  t.same(
    sharesOf(() => cluster.pick(), endpoints),
    [50, 50],
  )
})

t.test('one that leaves and comes back has said nothing yet', async t => {
  const endpoints = clusterEndpoints(2)
  const { cluster, clock } = aCluster({ balancer: { ...balancer, stabilizationMs: 0 } }, endpoints)
  const [one, two] = endpoints
  if (one === undefined || two === undefined) return t.fail('no endpoints')
  cluster.reported(one, report(100, 0.25))
  cluster.reported(two, report(100, 0.75))
  await clock.advance(1000)
  t.same(
    sharesOf(() => cluster.pick(), endpoints),
    [75, 25],
  )
  const client = { locality: one.locality, labels: {} }
  cluster.update([two], client)
  cluster.update(endpoints, client)
  t.same(
    sharesOf(() => cluster.pick(), endpoints),
    [50, 50],
  )
})

t.test('a new endpoint gets its share little by little', async t => {
  const warmup = { durationMs: 10_000, minimumPercent: 10, aggression: 1 }
  const old = clusterEndpoints(1)
  const { cluster, clock } = aCluster({ balancer: { ...balancer, warmup } }, old)
  await clock.advance(10_000)
  const both = [...old, ...clusterEndpoints(2).slice(1)]
  cluster.update(both, { locality: both[0]?.locality ?? { region: '', zone: '', subzone: '' }, labels: {} })
  t.same(
    sharesOf(() => cluster.pick(), both),
    [91, 9],
  )
  await clock.advance(5_000)
  t.same(
    sharesOf(() => cluster.pick(), both),
    [67, 33],
  )
})

t.test('with other balancers reports are not kept', async t => {
  const endpoints = clusterEndpoints(1)
  const { cluster } = aCluster({ balancer: { kind: 'round-robin', warmup: undefined } }, endpoints)
  const [one] = endpoints
  if (one !== undefined) cluster.reported(one, report(1, 1))
  t.equal(one?.state.load, undefined)
})

type Teardown = { teardown(stop: () => unknown): void }

async function listening(t: Teardown, server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not bound')
  return address.port
}

/** A caller of a service with these endpoints outside the mesh and the balancer as a DestinationRule has it. */
async function callerOf(t: Teardown, protocol: 'http' | 'grpc', ports: readonly number[]): Promise<number> {
  const original = { address: '240.240.0.1', port: 80 }
  const thread = await aThread(t, { kind: 'outbound', identity: identityOf('web') }, { originalDst: original })
  const endpoints = ports.map(port => aPlainEndpoint({ address: '127.0.0.1', ports: { http: port } }))
  const rule = `DestinationRule default/api { host: api, trafficPolicy: { loadBalancer: { backendUtilization:
    { weightStabilizationPeriod: 0s, weightUpdatePeriod: 1ms, metricNamesForComputingUtilization: [named_metrics.q] } } } }`
  const services = [aService({ endpoints, ports: [{ name: 'http', port: 80, protocol }] })]
  thread.core.config(aConfig({ workloads: [aWorkload()], services, traffic: routingWorld([], [rule]).traffic }))
  return thread.port
}

t.test('requests go by the loads in the heads of answers', async t => {
  const taken = [0, 0]
  const ports = await Promise.all(
    [0.9, 0.1].map((load, index) => {
      const server = createServer((_incoming, outgoing) => {
        taken[index] = (taken[index] ?? 0) + 1
        outgoing.setHeader('endpoint-load-metrics', `JSON {"rps_fractional": 10, "named_metrics": {"q": ${load}}}`)
        outgoing.end()
      })
      return listening(t, server)
    }),
  )
  const port = await callerOf(t, 'http', ports)
  const call = () =>
    new Promise<void>((resolve, reject) => {
      const headers = { host: 'api.default.mesh' }
      const outgoing = httpRequest({ port, host: '127.0.0.1', headers, agent: false }, incoming => {
        incoming.resume()
        incoming.on('end', () => resolve())
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
  await until('the idle one gets most', async () => {
    taken.fill(0)
    for (let calls = 0; calls < 40; calls += 1) await call()
    return (taken[1] ?? 0) >= 32
  })
})

t.test('and in the trailers of gRPC', async t => {
  const taken = [0, 0]
  const ports = await Promise.all(
    [0.9, 0.1].map((load, index) => {
      const server = createHttp2()
      server.on('stream', (stream: ServerHttp2Stream) => {
        taken[index] = (taken[index] ?? 0) + 1
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
        const metrics = `TEXT rps_fractional=10,named_metrics.q=${load}`
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'endpoint-load-metrics': metrics }))
        stream.end('x')
      })
      return listening(t, server)
    }),
  )
  const session = connectHttp2(`http://127.0.0.1:${await callerOf(t, 'grpc', ports)}`)
  t.teardown(() => session.destroy())
  const call = () =>
    new Promise<void>((resolve, reject) => {
      const headers = { ':method': 'POST', ':path': '/a.B/C', ':authority': 'api.default.mesh' }
      const stream = session.request({ ...headers, 'content-type': 'application/grpc' }, { endStream: true })
      stream.resume()
      stream.on('error', reject)
      stream.on('end', () => resolve())
    })
  await until('the idle one gets most', async () => {
    taken.fill(0)
    for (let calls = 0; calls < 40; calls += 1) await call()
    return (taken[1] ?? 0) >= 32
  })
})
