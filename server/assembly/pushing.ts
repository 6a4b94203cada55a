import type { CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import { version } from '../../mesh/std/version.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import type { FlowStore } from '../flows/flow-store.ts'
import type { Authority } from '../identity/authority.ts'
import type { HostTrust } from '../identity/host-trust.ts'
import { createSigner } from '../identity/sign.ts'
import type { TokenKeys } from '../policy/jwks.ts'
import { startPusher } from '../push/pusher.ts'
import type { Views } from '../push/views.ts'
import type { ServerCredentials } from '../server-certificate.ts'
import { countChanges } from '../telemetry/changes.ts'
import { createServerMetrics } from '../telemetry/metrics.ts'
import type { PartDeps } from './deps.ts'
import type { Sources } from './sources.ts'

export interface PushingDeps extends Pick<PartDeps, 'clock' | 'log' | 'started'> {
  readonly authority: Authority
  readonly hosts: HostTrust
  readonly credentials: Watch<ServerCredentials>
  readonly sources: Pick<Sources, 'nodes' | 'registries' | 'reports' | 'trusted' | 'admission'>
  readonly snapshot: Watch<CatalogueSnapshot>
  readonly views: Views
  readonly flows: Pick<FlowStore, 'report'>
  readonly tokenKeys: Pick<TokenKeys, 'status' | 'fetches'>
}

/** Starts what keeps connected agents at their views and signs for them, and what counts that. No agent can connect yet. */
export function startPushing(deps: PushingDeps, options: { readonly serverName: string; readonly leafTtlMs: number }) {
  const { clock, log, started, authority, credentials, hosts, snapshot, views } = deps
  const { nodes, registries, reports, trusted, admission } = deps.sources
  const metrics = createServerMetrics({
    now: () => clock.now(),
    // Not before a scrape.
    agents: () => pusher.agents(),
    registries: () => registries.status(),
    catalogue: () => snapshot.value,
    tokenKeys: () => deps.tokenKeys.status(),
    tokenKeyFetches: () => deps.tokenKeys.fetches(),
    certificates: () => [{ name: 'server', notAfter: credentials.value.notAfter }],
  })
  for (const view of registries.views) {
    started.add(countChanges(view.snapshot, items => metrics.registryChanged(view.name, items)))
  }
  started.add(countChanges(snapshot, items => metrics.catalogueChanged(items)))
  const signer = createSigner({
    authority,
    nodes,
    workloads: () => snapshot.value.workloads.values(),
    operatorDeclared: trusted,
    admission: () => admission.value,
    log,
    leafTtlMs: options.leafTtlMs,
  })
  const pusher = startPusher(
    {
      clock,
      log,
      views,
      nodes: nodes.all,
      sign: request => signer.sign(request),
      report(node, report) {
        reports.report(node, report)
        hosts.presents(node, report.certificates)
        if (report.flows !== undefined) deps.flows.report(node, report.flows)
      },
      trustHeld: (node, hash) => hosts.holds(node, hash),
      left: node => reports.left(node),
      observe: metrics,
    },
    { serverName: options.serverName, serverVersion: version },
  )
  started.add(() => pusher.stop())
  return { metrics, pusher }
}
