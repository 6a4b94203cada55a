import { setImmediate } from 'node:timers/promises'
import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { assertNever } from '../../mesh/std/assert-never.ts'
import { sleep } from '../../mesh/std/clock.ts'
import { Watch } from '../../mesh/std/watch.ts'
import type { AdapterDeps, RegistryAdapter } from '../adapter.ts'
import type { JsonObject } from '../json.ts'
import { createStanding, type Standing } from '../standing.ts'
import { watchViews } from '../watch-views.ts'
import { createSession, type Session } from './client/session.ts'
import { createClusterView } from './cluster-view.ts'
import { createIstioView, type IstioKind } from './istio-view.ts'
import { type Merged, mergeViews } from './merged-view.ts'
import { type ObjectKey, readNode, readPod, readService, readSlice } from './objects.ts'
import { checkOptions, type KubernetesOptions, type KubernetesSettings } from './options.ts'
import { type Read, readsOf } from './reads.ts'
import { reflect } from './reflector.ts'

/**
 * An adapter for one Kubernetes cluster. Throws WEFT_CONFIG_INVALID for options that cannot work; nothing is opened
 * before `watch`. It lists and watches, and does nothing else: docs/registries/kubernetes.md tells how, with which
 * rights, and what becomes what.
 */
export function createKubernetesAdapter(deps: AdapterDeps, options: KubernetesOptions): RegistryAdapter {
  const settings = checkOptions(options)
  return {
    async *watch(signal) {
      if (signal.aborted) return
      const session = createSession(settings, deps.clock)
      const close = () => session.close()
      yield* watchViews(signal, (views, stop) => run(deps, settings, session, views, stop), close)
    },
  }
}

async function run(
  deps: AdapterDeps,
  settings: KubernetesSettings,
  session: Session,
  views: Watch<RegistrySnapshot | undefined>,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random, log } = deps
  const { pace } = settings
  const whole = createStanding(health => {
    if (!signal.aborted) deps.report(health)
  })
  const failing = new Set<string>()
  /** When the first read came back, or listed anew, while others have not; a read that never does holds up nothing then. */
  let recoveredAt: number | undefined
  const recovers = () => {
    recoveredAt = failing.size === 0 ? undefined : (recoveredAt ?? clock.monotonic())
  }
  const standing: Standing = {
    ...whole,
    failed(part, error) {
      failing.add(part)
      whole.failed(part, error)
    },
    succeeded(part) {
      failing.delete(part)
      const hadFailed = whole.succeeded(part)
      if (hadFailed) recovers()
      return hadFailed
    },
  }
  const cluster = createClusterView({ registry: deps.name, ...settings })
  const istio = createIstioView(deps.name)
  const reads = readsOf(settings)
  const unlisted = new Set(reads)
  /** Counts what has come: a change is shown a moment later, together with those that follow it at once. */
  const news = new Watch(0)
  const tick = () => news.set(news.value + 1)

  function follow(read: Read): Promise<void> {
    const into = <T>(toValue: (object: JsonObject) => T, put: (key: ObjectKey, value: T | undefined) => void) => {
      const changed = (key: ObjectKey, value: T | undefined) => {
        put(key, value)
        tick()
      }
      const listed = () => {
        recovers()
        if (unlisted.delete(read)) tick()
      }
      const shared = { session, pace, clock, random, log, standing }
      return reflect<T>(read, { toValue, changed, listed }, shared, signal)
    }
    const resources = (kind: IstioKind) =>
      into(
        object => object,
        (key, value) => istio.set(kind, key, value),
      )
    switch (read.kind) {
      case 'services':
        return into(readService, cluster.service)
      case 'endpointslices':
        return into(readSlice, cluster.slice)
      case 'pods':
        return into(readPod, cluster.pod)
      case 'nodes':
        return into(readNode, cluster.node)
      case 'serviceentries':
        return resources('ServiceEntry')
      case 'workloadentries':
        return resources('WorkloadEntry')
      case 'workloadgroups':
        return resources('WorkloadGroup')
      default:
        return assertNever(read.kind)
    }
  }

  /**
   * After an outage the reads come back one after the other, and what one of them tells does not yet fit the others: a
   * pod that has moved would be gone until its own read is back.
   */
  async function together(): Promise<void> {
    while (recoveredAt !== undefined && clock.monotonic() - recoveredAt < pace.togetherMs && !signal.aborted) {
      await sleep(clock, pace.settleMs, signal)
    }
  }

  /** Shows what has changed, once everything has been listed. */
  async function publish(): Promise<void> {
    let merged: Merged | undefined
    for await (const _ of news.changes(signal)) {
      if (unlisted.size > 0) continue
      if (merged !== undefined) {
        await sleep(clock, pace.settleMs, signal)
        await together()
      }
      while (cluster.work() && !signal.aborted) await setImmediate()
      if (signal.aborted) return
      merged = mergeViews(cluster.take(), istio.take(), merged)
      views.set(merged.view)
      standing.viewed()
    }
  }

  await Promise.all([...reads.map(follow), publish()])
}
