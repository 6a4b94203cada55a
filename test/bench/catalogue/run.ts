import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RegistrySnapshot } from '../../../mesh/model/catalogue.ts'
import { sleep, systemClock, systemRandom } from '../../../mesh/std/clock.ts'
import { createRanges } from '../../../mesh/std/ip-ranges.ts'
import { silentLog } from '../../../mesh/std/log.ts'
import { changedKeys, tableOf } from '../../../mesh/std/table.ts'
import { Watch } from '../../../mesh/std/watch.ts'
import { emptyCatalogue, startCatalogue } from '../../../server/catalogue/catalogue.ts'
import { composeMergeRules } from '../../../server/catalogue/merge-rules.ts'
import { startRegistryView } from '../../../server/catalogue/registry-view.ts'
import { createValidator } from '../../../server/catalogue/validate.ts'
import { createFileViewCache } from '../../../server/catalogue/view-cache.ts'
import { createVirtualIps } from '../../../server/catalogue/virtual-ips.ts'
import { createServiceCompiler } from '../../../server/compile/services.ts'
import { openSqliteStore } from '../../../server/store/sqlite.ts'
import { changeLabel, generateRegistry, seeded } from './generator.ts'

/** What is measured once. */
export interface CatalogueLoad {
  readonly services: number
  readonly endpoints: number
  readonly registries: number
  readonly changesPerSecond: number
  readonly seconds: number
  readonly seed: number
}

/** Times are milliseconds. */
export interface CatalogueResult {
  readonly load: CatalogueLoad
  /** From the registries' first views to the first catalogue. */
  readonly coldMs: number
  /** From a registry's change to the published catalogue that has it. */
  readonly p50: number
  readonly p99: number
  readonly max: number
  readonly changes: number
  /** Of this process, generator and all. */
  readonly cpuMsPerChange: number
  readonly cpuPercent: number
  readonly heapMiB: number
  readonly rssMiB: number
}

/**
 * Runs the server's own way from registries to the published catalogue and its compilation for agents: views with
 * validation, damping and the file they are saved to, merging, virtual IPs in a store. Registries change in their turn
 * at a steady pace, whether the catalogue keeps up or not.
 */
export async function runCatalogue(load: CatalogueLoad): Promise<CatalogueResult> {
  const directory = mkdtempSync(join(tmpdir(), 'weft-bench-'))
  const stopping = new AbortController()
  const { signal } = stopping
  const clock = systemClock
  const ranges = { ipv4: '240.0.0.0/8', ipv6: 'fd77:6566:7400::/64' }
  const store = openSqliteStore(join(directory, 'store.db'), { log: silentLog })
  const random = seeded(load.seed)
  const names = Array.from({ length: load.registries }, (_, at) => `r${at}`)
  const registries = names.map((name, at) => {
    const size = {
      services: load.services / load.registries,
      endpointsPerService: load.endpoints / load.services,
    }
    return generateRegistry(name, size, `10.${at + 1}`, random)
  })
  const said = registries.map(registry => new Watch<RegistrySnapshot>(registry.view))
  const startedAt = performance.now()
  const views = said.map((watch, at) => {
    const name = names[at] ?? ''
    const rules = { trustDomain: 'bench', virtualIps: createRanges(Object.values(ranges)), trustCallers: false }
    return startRegistryView(
      {
        clock,
        random: systemRandom,
        log: silentLog,
        cache: createFileViewCache(join(directory, name), { clock, log: silentLog }),
        validate: createValidator(name, rules),
      },
      {
        name,
        kind: 'bench',
        massRemoval: { share: 0.5, minimum: 4, windowMs: 60_000, confirmMs: 600_000, serviceMinimum: 3 },
      },
      () => ({ watch: until => watch.changes(until) }),
    )
  })
  const snapshot = new Watch(emptyCatalogue)
  const catalogue = startCatalogue(
    {
      snapshot,
      clock,
      log: silentLog,
      virtualIps: createVirtualIps(store.virtualIps, ranges),
      views,
      rules: new Watch(composeMergeRules({ rule: 'error', services: [] }, [], names)),
      probed: new Watch(tableOf()),
      reporting: new Watch(tableOf()),
    },
    { dnsDomain: 'mesh' },
  )
  try {
    while (!catalogue.ready.value) await sleep(clock, 1, signal)
    const coldMs = performance.now() - startedAt
    const compile = createServiceCompiler()
    const settings = {
      trustDomain: 'bench',
      dnsDomain: 'mesh',
      rootNamespace: 'weft-system',
      virtualIpRanges: [],
      trust: { sequence: 1, roots: [] },
    }
    compile(snapshot.value, settings)

    const pending = new Map<string, { readonly number: number; readonly at: number }>()
    const latencies: number[] = []
    let seen = snapshot.value
    snapshot.subscribe(next => {
      for (const id of changedKeys(seen.workloads, next.workloads)) {
        const waiting = pending.get(id)
        if (waiting === undefined || Number(next.workloads.get(id)?.labels[changeLabel]) < waiting.number) continue
        latencies.push(performance.now() - waiting.at)
        pending.delete(id)
      }
      compile(next, settings)
      seen = next
    })

    global.gc?.()
    const cpu = process.cpuUsage()
    const begun = performance.now()
    const total = load.changesPerSecond * load.seconds
    for (let number = 1; number <= total; number += 1) {
      const due = begun + (number * 1000) / load.changesPerSecond
      const wait = due - performance.now()
      if (wait > 0) await sleep(clock, wait, signal)
      const at = number % registries.length
      const registry = registries[at]
      if (registry === undefined) throw new Error('no registry')
      const id = registry.change(number)
      // the time it should have happened: a generator that is kept waiting hides nothing
      if (!pending.has(id)) pending.set(id, { number, at: Math.min(due, performance.now()) })
      said[at]?.set(registry.view)
    }
    const deadline = performance.now() + 10_000
    while (pending.size > 0 && performance.now() < deadline) await sleep(clock, 5, signal)
    const used = process.cpuUsage(cpu)
    const elapsed = performance.now() - begun
    if (pending.size > 0) throw new Error(`${pending.size} changes were never published`)
    global.gc?.()
    const memory = process.memoryUsage()
    const cpuMs = (used.user + used.system) / 1000
    latencies.sort((a, b) => a - b)
    const quantile = (share: number) =>
      latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0
    return {
      load,
      coldMs,
      p50: quantile(0.5),
      p99: quantile(0.99),
      max: latencies.at(-1) ?? 0,
      changes: latencies.length,
      cpuMsPerChange: cpuMs / total,
      cpuPercent: (100 * cpuMs) / elapsed,
      heapMiB: memory.heapUsed / 2 ** 20,
      rssMiB: memory.rss / 2 ** 20,
    }
  } finally {
    await catalogue.stop()
    stopping.abort()
    await Promise.all(views.map(view => view.stop()))
    await store.close()
    rmSync(directory, { recursive: true, force: true })
  }
}
