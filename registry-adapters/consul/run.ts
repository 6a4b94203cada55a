import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import type { AdapterDeps } from '../adapter.ts'
import { createStanding, type Standing } from '../standing.ts'
import { follow } from './blocking-query.ts'
import { createConsulClient } from './client.ts'
import { beat } from './heartbeat.ts'
import { createKnowledge, type ServiceAnswer } from './knowledge.ts'
import type { ConsulSettings } from './options.ts'
import { createReadQueue } from './read-queue.ts'
import { readQueued } from './reader.ts'
import { createRestarts } from './restarts.ts'
import { createRights } from './rights.ts'
import { createSelection } from './selection.ts'
import { createServiceWatchers } from './service-watchers.ts'

/** Follows Consul until the signal aborts, and shows each new view; the parts of the adapter, put together. */
export async function runAdapter(
  deps: AdapterDeps,
  settings: ConsulSettings,
  show: (view: RegistrySnapshot) => void,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random, log } = deps
  const reported = createStanding(health => {
    if (!signal.aborted) deps.report(health)
  })
  const standing: Standing = {
    ...reported,
    failed(part, error) {
      watchers.yieldRoom(error)
      reported.failed(part, error)
    },
  }
  const rights = createRights(log, settings.consulNamespace !== undefined || settings.partition !== undefined)
  const restarts = createRestarts(settings.pace.restartMs, clock, () => watchers.reopen())
  const queue = createReadQueue()
  const reading = new Set<string>()

  const client = createConsulClient(settings, { clock, random, log, moved: restarts.restart })

  function changed(name: string, answer: ServiceAnswer): void {
    if (knowledge.store(name, answer)) watchers.offer(name, answer.index, true)
    knowledge.publish()
  }

  function store(name: string, answer: ServiceAnswer, known: bigint): void {
    const shows = knowledge.store(name, answer, known)
    if (knowledge.isListed(name)) watchers.offer(name, knowledge.indexOf(name), shows && knowledge.viewed)
  }

  const watchers = createServiceWatchers(
    {
      client,
      settings,
      clock,
      random,
      log,
      changed,
      lost: name => queue.urgent([name].filter(knowledge.isListed)),
      displaced: names => queue.later(names),
    },
    signal,
  )
  const knowledge = createKnowledge({
    context: { registry: deps.name, ...settings },
    selection: createSelection(settings.services, settings.excludeServices),
    queue,
    rights,
    reading,
    watched: watchers,
    show(view) {
      show(view)
      standing.viewed()
    },
  })
  const { applyNames, applyNodes, applyChecks, isListed, indexOf, publish } = knowledge
  const shared = { client, settings, clock, random, standing, rights, restarts, queue }
  const parts = [
    follow({ kind: 'services' }, applyNames, shared, signal),
    follow({ kind: 'nodes' }, applyNodes, shared, signal),
    follow({ kind: 'critical' }, body => applyChecks('critical', body), shared, signal),
    follow({ kind: 'warning' }, body => applyChecks('warning', body), shared, signal),
    beat({ ...shared, recovered: restarts.restartSoon }, signal),
    readQueued({ ...shared, reading, store, isListed, indexOf, batchDone: publish }, signal),
  ]
  try {
    await Promise.all(parts)
  } finally {
    restarts.stop()
    await watchers.ended()
    await client.close()
  }
}
