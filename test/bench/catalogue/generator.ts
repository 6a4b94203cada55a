import { emptySnapshot, type RegistrySnapshot } from '../../../mesh/model/catalogue.ts'
import { type Service, serviceKey } from '../../../mesh/model/service.ts'
import type { Workload } from '../../../mesh/model/workload.ts'
import type { Random } from '../../../mesh/std/clock.ts'

/** The label that carries the number of the last change of a workload. */
export const changeLabel = 'bench.weft.dev/change'

/** How large a registry is. */
export interface RegistrySize {
  readonly services: number
  readonly endpointsPerService: number
}

/** One registry of a made-up catalogue, always the same for the same seed, and what happens in it. */
export interface GeneratedRegistry {
  readonly view: RegistrySnapshot
  /**
   * One change as registries have them: mostly an instance that is replaced by one with a new label, sometimes health,
   * sometimes an instance that comes or goes. Gives the workload that carries the number, in the new {@link view}.
   */
  change(number: number): string
}

/** Random numbers from a seed (mulberry32's recurrence), the same on every machine. */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Makes a registry; `prefix` keeps its addresses apart from those of others: `10.1`. */
export function generateRegistry(
  registry: string,
  size: RegistrySize,
  prefix: string,
  random: Random,
): GeneratedRegistry {
  let view = emptySnapshot
  let made = 0
  const below = (limit: number) => Math.floor(random() * limit)

  const instance = (service: string, number: number): Workload => {
    made += 1
    const id = `${registry}/${service}/${made}`
    return {
      id,
      registry,
      namespace: 'default',
      name: service,
      address: `${prefix}.${Math.floor(made / 250) % 250}.${(made % 250) + 1}`,
      node: `node-${made % 100}`,
      serviceAccount: service,
      labels: { app: service, version: `v${below(3)}`, [changeLabel]: String(number) },
      locality: { region: 'eu', zone: `eu-${below(3)}`, subzone: '' },
      weight: 1,
      health: 'healthy',
      callers: [],
    }
  }

  const withEndpoints = (service: Service, ids: readonly string[]): Service => {
    return { ...service, endpoints: ids.map(workload => ({ workload, ports: { http: 8080 } })) }
  }

  for (let at = 0; at < size.services; at += 1) {
    const name = `${registry}-${at}`
    const workloads = Array.from({ length: size.endpointsPerService }, () => instance(name, 0))
    const service: Service = {
      namespace: 'default',
      name,
      hosts: [],
      addresses: [],
      location: 'mesh',
      ports: [{ name: 'http', port: 80, protocol: 'http' }],
      endpoints: [],
    }
    const ids = workloads.map(({ id }) => id)
    view = {
      services: view.services.with([[serviceKey(service), withEndpoints(service, ids)]]),
      workloads: view.workloads.with(workloads.map(one => [one.id, one] as const)),
      problems: [],
    }
  }

  return {
    get view() {
      return view
    },
    change(number) {
      const key = `default/${registry}-${below(size.services)}`
      const service = view.services.get(key)
      if (service === undefined) throw new Error(`no service ${key}`)
      const ids = service.endpoints.map(one => one.workload)
      const picked = ids[below(ids.length)] ?? ''
      const kind = random()
      const before = view.workloads.get(picked)
      if (kind < 0.2 || before === undefined || ids.length < 2) {
        const fresh = instance(service.name, number)
        const kept = kind < 0.1 && ids.length > 2 ? ids.filter(id => id !== picked) : ids
        view = {
          services: view.services.with([[key, withEndpoints(service, [...kept, fresh.id])]]),
          workloads: view.workloads.with([[fresh.id, fresh], ...(kept === ids ? [] : [[picked, undefined] as const])]),
          problems: [],
        }
        return fresh.id
      }
      const sick = kind < 0.4 && before.health === 'healthy'
      const labels = { ...before.labels, [changeLabel]: String(number) }
      const after: Workload = { ...before, labels, health: sick ? 'unhealthy' : 'healthy' }
      view = { ...view, workloads: view.workloads.with([[picked, after]]) }
      return picked
    },
  }
}
