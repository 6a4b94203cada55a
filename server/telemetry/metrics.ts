import { Counter, Gauge, Registry } from 'prom-client'
import type { CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import type { AgentStatus, RegistryStatus, TokenKeysStatus } from '../status.ts'

/** Where the values of gauges are read, each time somebody asks for metrics. */
export interface MetricSources {
  now(): number
  agents(): readonly AgentStatus[]
  registries(): readonly RegistryStatus[]
  catalogue(): CatalogueSnapshot
  /** Sources of keys for tokens, and how many fetches have ended how. */
  tokenKeys(): readonly TokenKeysStatus[]
  tokenKeyFetches(): { readonly success: number; readonly failure: number }
  /** Name and end (milliseconds since 1970) of the certificates this server lives from. */
  certificates(): readonly { readonly name: string; readonly notAfter: number }[]
}

/** A server's metrics. */
export interface ServerMetrics {
  /** One push was sent to an agent. */
  pushed(): void
  /** An agent would not take this many resources. */
  rejected(resources: number): void
  /** So many services and workloads of a registry came, went or changed. */
  registryChanged(registry: string, items: number): void
  /** The same of the merged catalogue. */
  catalogueChanged(items: number): void
  /** The Prometheus text format, version 0.0.4. */
  text(): Promise<{ readonly contentType: string; readonly body: string }>
}

/** Every metric of a server with its help text and labels: read here and by the test of the reference page. */
export const serverMetrics = {
  weft_server_agents: { help: 'Nodes that have joined, by state of their agent.', labels: ['state'] },
  weft_server_agents_outdated: {
    help: 'Connected agents that do not have their newest configuration yet.',
    labels: [],
  },
  weft_server_agent_rejected_resources: {
    help: 'Resources that agents hold in an older version because they would not take the newer one.',
    labels: [],
  },
  weft_server_pushes_total: { help: 'Configuration changes sent to agents.', labels: [] },
  weft_server_rejections_total: { help: 'Resources that agents would not take.', labels: [] },
  weft_server_registry_fresh: {
    help: '1 while the registry is in touch, 0 while its last good view is used.',
    labels: ['registry'],
  },
  weft_server_registry_stale_seconds: {
    help: 'For how long the registry has not been in touch.',
    labels: ['registry'],
  },
  weft_server_registry_held: {
    help: '1 while a mass disappearance from the registry is held back.',
    labels: ['registry'],
  },
  weft_server_registry_held_services: {
    help: 'Services that disappeared and are kept until that is confirmed.',
    labels: ['registry'],
  },
  weft_server_registry_held_workloads: {
    help: 'Workloads that disappeared and are kept until that is confirmed.',
    labels: ['registry'],
  },
  weft_server_registry_held_answering: {
    help: 'Workloads among them that still answer: those stay until an operator confirms that they are gone.',
    labels: ['registry'],
  },
  weft_server_registry_flapping: {
    help: 'Workloads whose health keeps changing, and is held steady meanwhile.',
    labels: ['registry'],
  },
  weft_server_registry_changes_total: {
    help: 'Services and workloads of the registry that came, went or changed.',
    labels: ['registry'],
  },
  weft_server_catalogue_changes_total: {
    help: 'Services and workloads of the merged catalogue that came, went or changed.',
    labels: [],
  },
  weft_server_registry_services: { help: 'Services the registry knows.', labels: ['registry'] },
  weft_server_registry_workloads: { help: 'Workloads the registry knows.', labels: ['registry'] },
  weft_server_registry_problems: { help: 'Items of the registry that are left out.', labels: ['registry'] },
  weft_server_services: { help: 'Services of the merged catalogue.', labels: [] },
  weft_server_workloads: { help: 'Workloads of the merged catalogue.', labels: [] },
  weft_server_catalogue_problems: { help: 'Items and collisions that the merged catalogue leaves out.', labels: [] },
  weft_server_token_keys: {
    help: 'URLs and issuers that keys for tokens come from, by state: stale is the last good set, missing refuses every token.',
    labels: ['state'],
  },
  weft_server_token_key_fetches_total: { help: 'Fetches of keys for tokens.', labels: ['result'] },
  weft_server_certificate_expiry_seconds: {
    help: 'Time until a certificate of this server ends.',
    labels: ['certificate'],
  },
} as const satisfies Record<string, { readonly help: string; readonly labels: readonly string[] }>

type MetricName = keyof typeof serverMetrics
type GaugeValue = readonly [labels: Readonly<Record<string, string>>, value: number]

/** Metrics in a registry of their own: two servers in one process do not mix. */
export function createServerMetrics(sources: MetricSources): ServerMetrics {
  const registry = new Registry()
  const counter = (name: MetricName) => {
    const { help, labels } = serverMetrics[name]
    return new Counter<string>({ name, help, labelNames: [...labels], registers: [registry] })
  }
  const gauge = (name: MetricName, values: () => Iterable<GaugeValue>): void => {
    new Gauge({
      name,
      help: serverMetrics[name].help,
      labelNames: [...serverMetrics[name].labels],
      registers: [registry],
      collect() {
        this.reset()
        for (const [labels, value] of values()) this.set(labels, value)
      },
    })
  }
  const single = (name: MetricName, value: () => number): void => gauge(name, () => [[{}, value()]])
  const perRegistry = (name: MetricName, value: (status: RegistryStatus) => number): void => {
    gauge(name, () => sources.registries().map(status => [{ registry: status.name }, value(status)]))
  }

  const pushes = counter('weft_server_pushes_total')
  const rejections = counter('weft_server_rejections_total')
  const registryChanges = counter('weft_server_registry_changes_total')
  const catalogueChanges = counter('weft_server_catalogue_changes_total')
  gauge('weft_server_agents', () => {
    const agents = sources.agents()
    return (['connected', 'stale', 'never'] as const).map(state => {
      return [{ state }, agents.filter(agent => agent.state === state).length]
    })
  })
  single('weft_server_agents_outdated', () => {
    const outdated = (agent: AgentStatus) => agent.state === 'connected' && agent.answeredVersion < agent.configVersion
    return sources.agents().filter(outdated).length
  })
  single('weft_server_agent_rejected_resources', () => {
    return sources.agents().reduce((sum, agent) => sum + agent.rejected.length, 0)
  })
  perRegistry('weft_server_registry_fresh', status => (status.state === 'fresh' ? 1 : 0))
  perRegistry('weft_server_registry_stale_seconds', status => {
    return status.state === 'fresh' ? 0 : (sources.now() - status.since) / 1000
  })
  perRegistry('weft_server_registry_held', status => (status.held === undefined ? 0 : 1))
  perRegistry('weft_server_registry_held_services', status => status.held?.services ?? 0)
  perRegistry('weft_server_registry_held_workloads', status => status.held?.workloads ?? 0)
  perRegistry('weft_server_registry_held_answering', status => status.held?.answering ?? 0)
  perRegistry('weft_server_registry_flapping', status => status.flapping)
  perRegistry('weft_server_registry_services', status => status.services)
  perRegistry('weft_server_registry_workloads', status => status.workloads)
  perRegistry('weft_server_registry_problems', status => status.problems.length)
  single('weft_server_services', () => sources.catalogue().services.size)
  single('weft_server_workloads', () => sources.catalogue().workloads.size)
  single('weft_server_catalogue_problems', () => sources.catalogue().problems.length)
  gauge('weft_server_token_keys', () => {
    const sets = sources.tokenKeys()
    return (['starting', 'fresh', 'stale', 'missing'] as const).map(state => {
      return [{ state }, sets.filter(set => set.state === state).length]
    })
  })
  const { help, labels } = serverMetrics.weft_server_token_key_fetches_total
  new Counter({
    name: 'weft_server_token_key_fetches_total',
    help,
    labelNames: [...labels],
    registers: [registry],
    collect() {
      this.reset()
      for (const [result, count] of Object.entries(sources.tokenKeyFetches())) this.inc({ result }, count)
    },
  })
  gauge('weft_server_certificate_expiry_seconds', () => {
    return sources
      .certificates()
      .map(({ name, notAfter }) => [{ certificate: name }, (notAfter - sources.now()) / 1000])
  })
  return {
    pushed: () => pushes.inc(),
    rejected: resources => rejections.inc(resources),
    registryChanged: (name, items) => registryChanges.inc({ registry: name }, items),
    catalogueChanged: items => catalogueChanges.inc(items),
    text: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  }
}
