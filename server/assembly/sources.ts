import type { CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import { derived } from '../../mesh/std/derived.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import type { ServerConfig } from '../config.ts'
import { createHostReports } from '../health/host-reports.ts'
import { createAdmission } from '../identity/admission.ts'
import { knownWorkloads } from '../known-workloads.ts'
import { openNodes } from '../nodes.ts'
import { operatorDeclared, resourcesRegistry, scheduled } from '../placement.ts'
import { startHostsRegistry } from '../registrations/hosts-registry.ts'
import { itemRulesOf, massRemovalOf, startRegistries, withRegistry } from '../registries.ts'
import { knownServices } from '../resource-findings.ts'
import { openResources } from '../resources.ts'
import type { Store } from '../store/store.ts'
import type { PartDeps } from './deps.ts'

export interface SourcesDeps extends PartDeps {
  readonly store: Pick<Store, 'nodes' | 'resources' | 'registrations'>
  /** What operators' resources are judged by. */
  readonly snapshot: Watch<CatalogueSnapshot>
}

/** Starts everything that the server knows the mesh from: nodes, operators' resources, registries, what hosts say. */
export async function startSources({ store, snapshot, started, ...deps }: SourcesDeps, config: ServerConfig) {
  const { clock, log } = deps
  const nodes = await openNodes(store.nodes)
  const resources = await openResources(store.resources, {
    clock,
    log,
    rootNamespace: config.rootNamespace,
    registries: [resourcesRegistry, ...config.registries.map(({ name }) => name)],
    workloads: () => snapshot.value.workloads.values(),
    domain: config.dnsDomain,
    services: () => knownServices(snapshot.value, config.dnsDomain),
    targets: () => knownWorkloads(snapshot.value),
    trustDomain: config.trustDomain,
  })
  started.add(() => resources.stop())
  const trusted = operatorDeclared(config.registries)
  const admission = derived([resources.current], () =>
    createAdmission({
      resources: resources.current.value,
      rootNamespace: config.rootNamespace,
      operatorDeclared: trusted,
      scheduled: scheduled(config.registries),
    }),
  )
  started.add(() => admission.stop())
  const configured = await startRegistries({ ...deps, resources }, config)
  started.add(() => configured.stop())
  const reports = createHostReports({ clock })
  const hosts = await startHostsRegistry(
    {
      ...deps,
      store: store.registrations,
      reports: reports.registrations,
      resources: resources.current,
      nodes: nodes.all,
      others: configured.views,
      operatorDeclared: trusted,
      admission: admission.watch,
      rules: itemRulesOf(config),
    },
    {
      graceMs: config.register.graceSeconds * 1000,
      addresses: config.register.addresses,
      massRemoval: massRemovalOf(config),
    },
  )
  started.add(() => hosts.stop())
  return {
    nodes,
    resources,
    trusted,
    admission: admission.watch,
    reports,
    /** Without what hosts register themselves. */
    configured,
    registries: withRegistry(configured, hosts.view),
  }
}

export type Sources = Awaited<ReturnType<typeof startSources>>
