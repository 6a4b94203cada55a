import { isDeepStrictEqual } from 'node:util'
import type { AgentConfig, MeshEndpoint, MeshServiceResource } from '../../mesh/model/agent-config.ts'
import { type Backoff, createBackoff } from '../../mesh/std/backoff.ts'
import { type Clock, type Random, sleep, type Timer } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { LookUp } from '../dns/look-up.ts'
import { endpointFilter } from './endpoint-filter.ts'

export interface DnsEndpointsDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly lookUp: LookUp
  /** Called when {@link DnsEndpoints.fill} would give something else than it gave last. */
  changed(): void
}

/** Finds the endpoints that DNS knows, and keeps them as DNS has them. */
export interface DnsEndpoints {
  /**
   * The config with endpoints for all names that are known; from now on these names are followed and no others. Waits a
   * moment for names that have never been asked for, and no longer: DNS may be down.
   */
  fill(config: AgentConfig): Promise<AgentConfig>
  stop(): void
}

const firstAnswersMs = 500
const minRefreshMs = 5_000
const maxRefreshMs = 3_600_000
const failureRefreshMs = 60_000
/** Many names change together, above all after a start. */
const gatherMs = 100

/** One name. The last good answer stays while DNS fails. */
interface Followed {
  /** Sorted; empty before the first answer. */
  addresses: readonly string[]
  /** The one that stands for all, for as long as the name has it. */
  first: string | undefined
  failing: boolean
  /** Whether all addresses are of interest, or only the first. */
  usesAll: boolean
  readonly backoff: Backoff
  readonly stopping: AbortController
  timer?: Timer
}

/** Follows nothing before the first config. */
export function createDnsEndpoints(deps: DnsEndpointsDeps): DnsEndpoints {
  const { clock, log } = deps
  const names = new Map<string, Followed>()
  const stopping = new AbortController()
  let isAllowed: (address: string) => boolean = () => false
  let gathering: Timer | undefined

  const ask = async (name: string, followed: Followed): Promise<void> => {
    const { signal } = followed.stopping
    let waitMs: number
    try {
      const { addresses, ttlMs } = await deps.lookUp(name, signal)
      if (signal.aborted) return
      learn(followed, addresses.filter(isAllowed))
      waitMs = Math.min(Math.max(ttlMs, minRefreshMs), maxRefreshMs)
    } catch (error) {
      if (signal.aborted) return
      if (!followed.failing) {
        const kept = followed.addresses.length
        log.warn('a name of endpoints is not answered, the last answer stays', {
          name,
          kept,
          reason: describeError(error),
        })
      }
      followed.failing = true
      // before there is an answer its service cannot be called at all: this is worth asking more often
      waitMs = followed.first === undefined ? followed.backoff.nextMs() + 1 : failureRefreshMs
    }
    followed.timer = clock.timer(waitMs, () => void ask(name, followed))
  }

  const learn = (followed: Followed, found: readonly string[]): void => {
    const [head] = found
    if (head === undefined) throw new Error('it has no address that an endpoint can have')
    const first = followed.first !== undefined && found.includes(followed.first) ? followed.first : head
    const addresses = [...new Set(found)].sort()
    const isNews = followed.usesAll ? !isDeepStrictEqual(addresses, followed.addresses) : first !== followed.first
    followed.failing = false
    followed.addresses = addresses
    followed.first = first
    if (isNews) gathering ??= clock.timer(gatherMs, announce)
  }

  const announce = (): void => {
    gathering = undefined
    deps.changed()
  }

  /** Starts and stops following; resolves when all new names were answered once, one way or the other. */
  const follow = async (wanted: ReadonlyMap<string, boolean>): Promise<void> => {
    for (const [name, followed] of names) {
      if (wanted.has(name)) continue
      names.delete(name)
      release(followed)
    }
    const first: Promise<void>[] = []
    for (const [name, usesAll] of wanted) {
      const known = names.get(name)
      if (known !== undefined) {
        known.usesAll = usesAll
        continue
      }
      const backoff = createBackoff({ baseMs: 1000, capMs: failureRefreshMs }, deps.random)
      const followed = {
        addresses: [],
        first: undefined,
        failing: false,
        usesAll,
        backoff,
        stopping: new AbortController(),
      }
      names.set(name, followed)
      first.push(ask(name, followed))
    }
    if (first.length === 0) return
    const enough = new AbortController()
    await Promise.race([
      Promise.all(first),
      sleep(clock, firstAnswersMs, AbortSignal.any([enough.signal, stopping.signal])),
    ])
    enough.abort()
  }

  return {
    async fill(config) {
      if (stopping.signal.aborted) return config
      isAllowed = endpointFilter(config.host.virtualIpRanges)
      await follow(namesOf(config))
      // what is known now is in what is returned
      gathering?.cancel()
      gathering = undefined
      if (names.size === 0) return config
      return { ...config, services: config.services.map(service => filled(service, names)) }
    },
    stop() {
      stopping.abort()
      gathering?.cancel()
      for (const followed of names.values()) release(followed)
      names.clear()
    },
  }
}

function release({ stopping, timer }: Followed): void {
  stopping.abort()
  timer?.cancel()
}

/** Every name to ask for, and whether somebody wants all of its addresses. */
function namesOf(config: AgentConfig): ReadonlyMap<string, boolean> {
  const names = new Map<string, boolean>()
  for (const { dnsEndpoints = [], resolution } of config.services) {
    for (const { name } of dnsEndpoints) names.set(name, names.get(name) === true || resolution !== 'dns-round-robin')
  }
  return names
}

function filled(service: MeshServiceResource, names: ReadonlyMap<string, Followed>): MeshServiceResource {
  const { dnsEndpoints = [], resolution, namespace } = service
  if (dnsEndpoints.length === 0) return service
  const found = dnsEndpoints.flatMap(({ name, weight, ...rest }) => {
    const { addresses = [], first } = names.get(name) ?? {}
    const used = resolution === 'dns-round-robin' ? addresses.filter(address => address === first) : addresses
    return used.map((address): MeshEndpoint => {
      // the weight is that of the name, whatever number of addresses it has
      const share = weight / used.length
      const id = `dns/${name}/${address}`
      return { ...rest, id, address, workload: name, namespace, weight: share, health: 'healthy' }
    })
  })
  return { ...service, endpoints: [...service.endpoints, ...found] }
}
