import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import type { AdapterDeps, RegistryAdapter } from '../adapter.ts'
import { createStanding } from '../standing.ts'
import { watchViews } from '../watch-views.ts'
import { createCheckPoller } from './check-poller.ts'
import { createNomadClient, type NomadClient } from './client/client.ts'
import { checkOptions } from './client/options.ts'
import { createCluster } from './cluster.ts'
import { createFollower } from './follow.ts'
import { followAnyhow } from './follow-anyhow.ts'
import { checkAdapterOptions, type NomadAdapterOptions, type NomadAdapterSettings } from './options.ts'
import { createReads } from './reads.ts'
import { createView } from './view.ts'

/**
 * An adapter for the services of one Nomad cluster's own provider. Throws WEFT_CONFIG_INVALID for options that cannot
 * work; nothing is opened before `watch`. How it follows the cluster is explained in docs/decisions/nomad-events.md,
 * how it translates in docs/registries/nomad.md.
 */
export function createNomadAdapter(deps: AdapterDeps, options: NomadAdapterOptions): RegistryAdapter {
  const settings = checkAdapterOptions(options)
  const clientOptions = { ...options.client, maxSockets: options.maxOpenQueries ?? 16 }
  checkOptions(clientOptions)
  return {
    async *watch(signal) {
      if (signal.aborted) return
      const client = createNomadClient(clientOptions, deps)
      yield* watchViews(
        signal,
        (views, stop) => run(deps, settings, client, views, stop),
        () => client.close(),
      )
    },
  }
}

async function run(
  deps: AdapterDeps,
  settings: NomadAdapterSettings,
  client: NomadClient,
  views: Watch<RegistrySnapshot | undefined>,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random, log } = deps
  const standing = createStanding(health => {
    if (!signal.aborted) deps.report(health)
  })
  const cluster = createCluster()
  const view = createView({
    registry: deps.name,
    serviceAccounts: settings.serviceAccounts,
    meshNamespaceOf: settings.namespaces.meshNamespaceOf,
  })
  const reads = createReads(client, settings)
  let hasRead = false

  /** Shows what has changed: at first only when there was time to learn which instances fail their checks. */
  function publish(): void {
    if (!hasRead || (views.value === undefined && !poller.triedAll())) return
    const change = view.update(cluster)
    if (change !== undefined) views.set(change)
    standing.viewed()
  }

  const shared = { cluster, reads, settings, clock, random, log, standing, publish }
  const poller = createCheckPoller(shared)
  const follower = createFollower({
    ...shared,
    publish() {
      hasRead = true
      publish()
    },
  })
  await Promise.all([followAnyhow(client, follower, shared, signal), poller.run(signal)])
}
