import t from 'tap'
import type { EndpointDetail, ServiceDetail } from '../../server/service-detail.ts'
import { eventually } from '../support/eventually.ts'
import { createMesh } from './mesh.ts'
import { agentStatus, curl, serve } from './mesh-probe.ts'

// Two workloads whose agents check them, one by HTTP and one by a command, while every port is STRICT.
t.setTimeout(240_000)
const asWeb = { uid: 4001 }
const quick = 'interval: 500ms, failureThreshold: 2'

const mesh = await createMesh(t, {
  hosts: ['a', 'b', 'c'],
  agent: { health: { exec: true } },
  files: ({ a, b, c }) => ({
    'mesh.yaml': `
services: [{ name: api, ports: { http: 80 } }]
workloads:
  - { name: web-1, node: a, address: ${a.address4}, serviceAccount: web, uid: ${asWeb.uid} }
  - name: api-b
    node: b
    address: ${b.address4}
    serviceAccount: api
    services: { api: 8080 }
    health: { http: 'http://:8080/healthz', ${quick} }
  - name: api-c
    node: c
    address: ${c.address4}
    serviceAccount: api
    services: { api: 8080 }
    health: { exec: [bash, -c, 'exec 3<>/dev/tcp/${c.address4}/8080'], ${quick} }
`,
  }),
})
const { a, b, c } = mesh.hosts

/** Waits until the server says this of an endpoint of api. */
function told(name: string, health: string, from = 'probe'): Promise<EndpointDetail> {
  return eventually(async () => {
    const services: readonly ServiceDetail[] = JSON.parse(await mesh.weft('services', 'api', '-o', 'json'))
    const found = services[0]?.endpoints.find(endpoint => endpoint.workload.endsWith(`/${name}`))
    if (found?.health !== health || found.healthFrom !== from) {
      throw new Error(`${name} is not ${health}: ${JSON.stringify(services)}`)
    }
    return found
  }, 60_000)
}

const call = () => curl(a, ['http://240.240.0.1'], asWeb)

t.test('a workload gets connections when its check succeeds, and none while it fails', async t => {
  await mesh.apply(`
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: weft-system }
spec: { mtls: { mode: STRICT } }
`)
  t.match(await told('api-b', 'unhealthy'), { healthReason: /not answered yet|GET .*connection refused/ })
  const onB = await serve(b, 'b', b.address4, ['http=8080'])
  const onC = await serve(c, 'c', c.address4, ['http=8080'])
  await told('api-b', 'healthy')
  await told('api-c', 'healthy')
  await eventually(async () => {
    const answers = new Set([await call(), await call(), await call(), await call()])
    if (!answers.has('b') || !answers.has('c')) throw new Error([...answers].join(' '))
  }, 60_000)

  // A check that was captured would reach the agent itself, which accepts whatever comes.
  await onB.kill()
  t.match(await told('api-b', 'unhealthy'), {
    healthReason: `GET http://${b.address4}:8080/healthz: connection refused`,
  })
  t.match((await agentStatus(mesh, 'b')).health, [{ workload: /api-b$/, state: 'unhealthy' }])
  await mesh.settled()
  for (let calls = 0; calls < 4; calls += 1) t.equal(await call(), 'c')
  await serve(b, 'b', b.address4, ['http=8080'])
  await told('api-b', 'healthy')

  await onC.kill()
  t.match(await told('api-c', 'unhealthy'), { healthReason: /^exec bash -c .*exit code 1: .*Connection refused/ })
  await mesh.settled()
  for (let calls = 0; calls < 4; calls += 1) t.equal(await call(), 'b')
})

t.test('a server that starts again hears at once how the workloads are', async t => {
  await mesh.server.kill()
  await mesh.server.start()
  await mesh.settled()
  t.match(await told('api-c', 'unhealthy'), { healthReason: /exec bash/ })
  await told('api-b', 'healthy')
})

t.test('what an agent that is gone said last stands', async t => {
  await mesh.agents.c.kill()
  const onC = await serve(c, 'c', c.address4, ['http=8080'])
  await eventually(async () => {
    const { agents } = await mesh.status()
    if (agents.find(({ node }) => node === 'c')?.state !== 'stale') throw new Error('still connected')
  }, 60_000)
  t.match(await told('api-c', 'unhealthy'), { healthReason: /exec bash/ })
  await mesh.agents.c.start()
  await told('api-c', 'healthy')
  await onC.kill()
})
