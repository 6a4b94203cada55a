import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../mesh/std/clock.ts'
import { Watch } from '../../mesh/std/watch.ts'
import type { FlowView } from '../../server/api/routes-flows.ts'
import type { Plan } from '../../server/flows/plan.ts'
import { until } from '../support/eventually.ts'
import { aFlow } from '../support/flows.ts'
import { connectAgent, joinHost } from '../support/mesh-agent.ts'
import { startTestServer, testServerConfig } from '../support/server.ts'

const services = `
services: [{ name: api, ports: { http: 80 } }]
workloads: [{ name: api-1, node: b, address: 10.0.0.1, serviceAccount: api, services: { api: { http: 8080 } } }]
`
const deny = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-web, namespace: default }
spec: { action: DENY, rules: [{ from: [{ source: { serviceAccounts: [default/web] } }] }] }
`

t.test('what an agent reports is planned with, also by the server after a restart', async t => {
  const directory = t.testdir({ files: { 'services.yaml': services } })
  const registries = [{ name: 'files', kind: 'static', directory: join(directory, 'files') }]
  const config = testServerConfig(join(directory, 'data'), registries)
  const first = await startTestServer(config)
  t.teardown(() => first.running.stop())
  const ask = { node: 'b', identities: [] }
  const { token } = await first.api.post<{ token: string }>('/v1/tokens', JSON.stringify(ask))
  const joined = await joinHost(first.running.addresses.api ?? '', token)
  await until('the catalogue has the workload', async () => {
    const { services } = await first.api.get<{ services: readonly unknown[] }>('/v1/services')
    return services.length === 1
  })

  const now = systemClock.now()
  const seen = aFlow({ workload: 'files/default/api-1', firstSeen: now, lastSeen: now })
  const agent = await connectAgent({
    transport: 'websocket',
    address: first.running.addresses.websocket ?? '',
    joined,
    flows: { changed: new Watch(0), take: all => (all ? [seen, { ...seen, workload: 'files/default/other-1' }] : []) },
  })
  await until('the server knows of the call', async () => {
    return (await first.api.get<{ flows: readonly FlowView[] }>('/v1/flows')).flows.length > 0
  })
  const { flows } = await first.api.get<{ flows: readonly FlowView[] }>('/v1/flows')
  t.same(flows, [{ node: 'b', ...seen }], 'and of none of workloads that are not on the node')

  const change = JSON.stringify({ text: deny, file: 'deny.yaml', deleted: [] })
  const expected = [{ caller: seen.caller, nodes: ['b'], after: { by: 'AuthorizationPolicy default/no-web rule 0' } }]
  t.match((await first.api.post<Plan>('/v1/plan', change)).cutOff, expected)
  const { resources } = await first.api.get<{ resources: readonly unknown[] }>('/v1/resources')
  t.same(resources, [], 'a plan changes nothing')
  await t.rejects(first.api.post('/v1/plan', JSON.stringify({ text: 'kind: Nonsense' })), {
    code: 'WEFT_RESOURCE_INVALID',
  })
  const nothing = JSON.stringify({ deleted: ['AuthorizationPolicy/default/none'] })
  await t.rejects(first.api.post('/v1/plan', nothing), { code: 'WEFT_NOT_FOUND' })
  await t.rejects(first.api.post('/v1/plan', '[]'), { code: 'WEFT_USAGE' })

  await agent.close()
  await first.running.stop()
  const second = await startTestServer(config)
  t.teardown(() => second.running.stop())
  await until('the catalogue has the workload again', async () => {
    const { services } = await second.api.get<{ services: readonly unknown[] }>('/v1/services')
    return services.length === 1
  })
  t.match((await second.api.post<Plan>('/v1/plan', change)).cutOff, expected)
})
