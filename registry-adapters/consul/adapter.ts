import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { Watch } from '../../mesh/std/watch.ts'
import type { AdapterDeps, RegistryAdapter } from '../adapter.ts'
import { createStanding } from '../standing.ts'
import { type ConsulInstance, parseChecks, parseNodes, parseServiceNames } from './answers.ts'
import { follow } from './blocking-query.ts'
import { type ConsulClient, createConsulClient } from './client.ts'
import { beat } from './heartbeat.ts'
import { changedNames, outdatedByChecks, outdatedByNodes } from './hints.ts'
import { type ConsulOptions, type ConsulSettings, checkOptions } from './options.ts'
import { createReadQueue } from './read-queue.ts'
import { readQueued } from './reader.ts'
import { createRestarts } from './restarts.ts'
import { createRights } from './rights.ts'
import { createView } from './view.ts'

/**
 * An adapter for one datacentre of Consul. Throws WEFT_CONFIG_INVALID for options that cannot work; nothing is opened
 * before `watch`. How it asks is explained in docs/decisions/consul-queries.md, how it translates in
 * docs/registries.md.
 */
export function createConsulAdapter(deps: AdapterDeps, options: ConsulOptions): RegistryAdapter {
  const settings = checkOptions(options)
  return {
    async *watch(signal) {
      if (signal.aborted) return
      const stop = new AbortController()
      const abort = () => stop.abort()
      signal.addEventListener('abort', abort, { once: true })
      const client = createConsulClient(settings, deps.clock)
      const views = new Watch<RegistrySnapshot | undefined>(undefined)
      // A loop ends by itself only through a defect; the others end with it, and the defect is thrown below.
      const running = run(deps, settings, client, views, stop.signal).finally(abort)
      running.catch(() => {})
      try {
        for await (const view of views.changes(stop.signal)) if (view !== undefined) yield view
      } finally {
        abort()
        signal.removeEventListener('abort', abort)
        client.close()
        await running
      }
    },
  }
}

async function run(
  deps: AdapterDeps,
  settings: ConsulSettings,
  client: ConsulClient,
  views: Watch<RegistrySnapshot | undefined>,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random } = deps
  const standing = createStanding(health => {
    if (!signal.aborted) deps.report(health)
  })
  const rights = createRights(deps.log)
  const restarts = createRestarts()
  const queue = createReadQueue()
  const view = createView({ registry: deps.name, ...settings })
  let names: ReadonlyMap<string, readonly string[]> | undefined
  const reading = new Set<string>()

  /** Shows what has changed, once every listed service has been read at least once. */
  function publish(): void {
    if (names === undefined || ![...names.keys()].every(name => view.has(name))) return
    const change = view.takeChange()
    if (change === undefined) return
    views.set(change)
    standing.viewed()
  }

  const isListed = (name: string) => names?.has(name) === true

  /** A service may have been deregistered while it was being read. */
  function store(name: string, instances: readonly ConsulInstance[]): void {
    if (isListed(name)) view.set(name, instances)
  }

  /** What is being read at this moment cannot be compared yet, and may be older than the list: it is read again. */
  function hint(services: readonly string[]): void {
    queue.urgent([...services, ...reading].filter(isListed))
  }

  function applyNames(body: unknown): void {
    const now = parseServiceNames(body)
    rights.checkNames(now)
    const before = names ?? new Map()
    names = now
    view.retain(now)
    queue.retain(now)
    queue.urgent(changedNames(before, now))
    queue.later(now.keys())
    publish()
  }

  function applyNodes(body: unknown): void {
    const nodes = parseNodes(body)
    rights.checkNodes(nodes)
    hint(outdatedByNodes(view.all(), nodes))
  }

  function applyChecks(body: unknown): void {
    const checks = parseChecks(body)
    rights.checkChecks(checks)
    hint(outdatedByChecks(view.all(), checks))
  }

  const shared = { client, settings, clock, random, standing, rights, restarts, queue }
  await Promise.all([
    follow({ kind: 'services' }, applyNames, shared, signal),
    follow({ kind: 'nodes' }, applyNodes, shared, signal),
    follow({ kind: 'checks' }, applyChecks, shared, signal),
    beat(shared, signal),
    readQueued({ ...shared, reading, store, isListed, batchDone: publish }, signal),
  ])
}
