import { createBackoff } from '../../mesh/std/backoff.ts'
import { sleep } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { AdapterDeps } from '../adapter.ts'
import { createConsulClient } from './client.ts'
import { type ConsulOptions, checkOptions } from './options.ts'
import { readNodeName, registerCheck, removeCheck, updateCheck, type WrittenHealth } from './own-checks.ts'

/** Writes health into Consul, as a TTL check of Weft's on each instance. */
export interface ConsulHealthWriter {
  /**
   * Says how a workload is, by its id; undefined takes the check away. Only workloads that are registered with the
   * agent that is written to have one: all others are passed over.
   */
  set(workload: string, health: WrittenHealth | undefined): void
  /** Takes every check away that it has made, as far as Consul lets it within a few seconds. */
  stop(): Promise<void>
}

export type HealthWriterDeps = Pick<AdapterDeps, 'name' | 'clock' | 'random' | 'log'>

export interface HealthWriterOptions extends ConsulOptions {
  /** A check that is not written for so long becomes critical by itself; a day when left out. */
  readonly ttlMs?: number
}

const defaultTtlMs = 24 * 3_600_000
/** Every check is written so often at least, as an agent forgets it when its service is registered anew. */
const repeatMs = 60_000
/** How long taking the checks away may hold up a process that stops. */
const goodbyeMs = 3_000

/**
 * Writes to the one agent at `address`, which must be the one that the instances are registered with: an agent removes
 * checks of its services that it does not know. Its token needs `service:write` on them and `agent:read`. Throws
 * WEFT_CONFIG_INVALID for options that cannot work.
 */
export function createConsulHealthWriter(deps: HealthWriterDeps, options: HealthWriterOptions): ConsulHealthWriter {
  const { name: registry, clock, random, log } = deps
  const { ttlMs = defaultTtlMs, ...rest } = options
  const settings = checkOptions(rest)
  if (settings.servers.length > 1) {
    throw new MeshError('WEFT_CONFIG_INVALID', 'health is written to one agent only', {
      fields: { option: 'addresses' },
    })
  }
  const client = createConsulClient(settings, { clock, random, log, moved() {} })
  const refreshMs = Math.min(repeatMs, ttlMs / 3)
  const stopping = new AbortController()
  const wanted = new Map<string, WrittenHealth>()
  const written = new Set<string>()
  const due = new Set<string>()
  let wake = () => {}

  const nudge = (workload: string) => {
    due.add(workload)
    wake()
  }

  async function work(signal: AbortSignal): Promise<void> {
    const { backoffBaseMs, backoffCapMs } = settings.pace
    const backoff = createBackoff({ baseMs: backoffBaseMs, capMs: backoffCapMs }, random)
    let node: string | undefined
    let refreshAt = clock.monotonic() + refreshMs
    while (!signal.aborted) {
      if (clock.monotonic() >= refreshAt) {
        for (const workload of wanted.keys()) due.add(workload)
        refreshAt = clock.monotonic() + refreshMs
      }
      const [workload] = due
      if (workload === undefined) {
        await waitUntil(refreshAt, signal)
        continue
      }
      due.delete(workload)
      try {
        node ??= await readNodeName(client, signal)
        await writeOne(serviceIn(workload, registry, node), workload, signal)
        backoff.reset()
      } catch (error) {
        if (signal.aborted) return
        due.add(workload)
        log.warn('health cannot be written to consul', { workload, error })
        await sleep(clock, backoff.nextMs(), signal)
      }
    }
  }

  /** Resolves at a time, or when something is due. */
  async function waitUntil(at: number, signal: AbortSignal): Promise<void> {
    const waiting = new AbortController()
    wake = () => waiting.abort()
    signal.addEventListener('abort', wake, { once: true })
    await sleep(clock, at - clock.monotonic(), waiting.signal)
    signal.removeEventListener('abort', wake)
  }

  /** `service` is the id of a service of this agent, or undefined for a workload of elsewhere. */
  async function writeOne(service: string | undefined, workload: string, signal: AbortSignal): Promise<void> {
    if (service === undefined) return
    const health = wanted.get(workload)
    if (health === undefined) {
      if (written.delete(workload)) await removeCheck(client, service, signal)
      return
    }
    if (!written.has(workload) && !(await registerCheck(client, service, ttlMs, signal))) return
    written.add(workload)
    if (await updateCheck(client, service, health, signal)) return
    // Somebody has removed it meanwhile: with the service, or by registering that anew.
    written.delete(workload)
    due.add(workload)
  }

  async function takeAway(signal: AbortSignal): Promise<void> {
    const node = written.size === 0 ? '' : await readNodeName(client, signal)
    for (const workload of written) {
      const service = serviceIn(workload, registry, node)
      if (service !== undefined) await removeCheck(client, service, signal)
      written.delete(workload)
    }
  }

  const working = work(stopping.signal)
  return {
    set(workload, health) {
      if (health === undefined) wanted.delete(workload)
      else wanted.set(workload, health)
      nudge(workload)
    },
    async stop() {
      stopping.abort()
      await working
      const late = new AbortController()
      const timer = clock.timer(goodbyeMs, () => late.abort())
      try {
        await takeAway(late.signal)
      } catch (error) {
        log.warn('checks in consul could not be taken away', { error })
      }
      timer.cancel()
      await client.close()
    },
  }
}

/** Id of the service behind a workload's id (`<registry>/<node>/<service>`), if it is of this registry and node. */
function serviceIn(workload: string, registry: string, node: string): string | undefined {
  const prefix = `${registry}/${node}/`
  return workload.startsWith(prefix) ? workload.slice(prefix.length) : undefined
}
