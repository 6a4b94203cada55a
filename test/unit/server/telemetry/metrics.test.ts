import t from 'tap'
import { emptyCatalogue } from '../../../../server/catalogue/catalogue.ts'
import type { AgentStatus, RegistryStatus } from '../../../../server/status.ts'
import { createServerMetrics, serverMetrics } from '../../../../server/telemetry/metrics.ts'

const agent: AgentStatus = {
  node: 'vm-1',
  state: 'connected',
  since: 0,
  banned: false,
  facts: {},
  configVersion: 3,
  answeredVersion: 2,
  rejected: [{ name: 'host', reason: 'x' }],
}
const registry: RegistryStatus = {
  name: 'consul',
  kind: 'consul',
  state: 'stale',
  since: 10_000,
  services: 4,
  workloads: 5,
  problems: [{ item: 'x', reason: 'y' }],
  held: { since: 0, until: 1, workloads: 6, services: 2, answering: 4 },
  flapping: 3,
}

function metricsOf() {
  return createServerMetrics({
    now: () => 70_000,
    agents: () => [agent, { ...agent, node: 'vm-2', state: 'stale' }],
    registries: () => [registry, { ...registry, name: 'files', state: 'fresh' }],
    catalogue: () => emptyCatalogue,
    tokenKeys: () => [{ uri: 'https://id/keys', state: 'stale', since: 0 }],
    tokenKeyFetches: () => ({ success: 2, failure: 5 }),
    certificates: () => [{ name: 'server', notAfter: 100_000 }],
  })
}

t.test('the metrics say what the server knows at the moment of asking', async t => {
  const metrics = metricsOf()
  metrics.pushed()
  metrics.pushed()
  metrics.rejected(3)
  metrics.registryChanged('consul', 0)
  metrics.registryChanged('consul', 7)
  metrics.catalogueChanged(9)
  const { body } = await metrics.text()
  for (const line of [
    'weft_server_agents{state="connected"} 1',
    'weft_server_agents{state="stale"} 1',
    'weft_server_agents{state="never"} 0',
    'weft_server_agents_outdated 1',
    'weft_server_agent_rejected_resources 2',
    'weft_server_token_keys{state="stale"} 1',
    'weft_server_token_keys{state="missing"} 0',
    'weft_server_token_key_fetches_total{result="failure"} 5',
    'weft_server_pushes_total 2',
    'weft_server_rejections_total 3',
    'weft_server_registry_fresh{registry="consul"} 0',
    'weft_server_registry_fresh{registry="files"} 1',
    'weft_server_registry_stale_seconds{registry="consul"} 60',
    'weft_server_registry_stale_seconds{registry="files"} 0',
    'weft_server_registry_held{registry="consul"} 1',
    'weft_server_registry_held_services{registry="consul"} 2',
    'weft_server_registry_held_workloads{registry="consul"} 6',
    'weft_server_registry_held_answering{registry="consul"} 4',
    'weft_server_registry_flapping{registry="consul"} 3',
    'weft_server_registry_changes_total{registry="consul"} 7',
    'weft_server_catalogue_changes_total 9',
    'weft_server_registry_services{registry="consul"} 4',
    'weft_server_registry_workloads{registry="consul"} 5',
    'weft_server_registry_problems{registry="consul"} 1',
    'weft_server_services 0',
    'weft_server_certificate_expiry_seconds{certificate="server"} 30',
  ]) {
    t.ok(body.split('\n').includes(line), line)
  }
})

t.test('every declared metric is there, and no other', async t => {
  const { body } = await metricsOf().text()
  const shown = [...body.matchAll(/^# TYPE (\S+) /gm)].map(match => match[1])
  t.same(new Set(shown), new Set(Object.keys(serverMetrics)))
})

t.test('two servers in one process do not mix', async t => {
  const [one, other] = [metricsOf(), metricsOf()]
  one.pushed()
  t.match((await one.text()).body, /pushes_total 1/)
  t.match((await other.text()).body, /pushes_total 0/)
})
