import { join } from 'node:path'
import type { Clock, Random } from '../mesh/std/clock.ts'
import { MeshError } from '../mesh/std/errors.ts'
import { createRanges } from '../mesh/std/ip-ranges.ts'
import type { Log } from '../mesh/std/log.ts'
import { adapterOf, createResourcesAdapter } from './adapters.ts'
import type { ItemRules } from './catalogue/check-workload.ts'
import { createMapping } from './catalogue/mapping.ts'
import type { MassRemovalRule } from './catalogue/mass-removal.ts'
import { type RegistryView, type RegistryViewDeps, startRegistryView } from './catalogue/registry-view.ts'
import { createValidator } from './catalogue/validate.ts'
import { createFileViewCache, type ViewCache } from './catalogue/view-cache.ts'
import type { ServerConfig } from './config.ts'
import { resourcesRegistry } from './placement.ts'
import type { Resources } from './resources.ts'
import type { RegistryStatus } from './status.ts'

/** All registries of a server, followed. */
export interface Registries {
  /** What operators apply first, then in the order of the configuration: that order decides collisions. */
  readonly views: readonly RegistryView[]
  status(): readonly RegistryStatus[]
  /** Lets a held removal through; false when nothing is held. Throws WEFT_NOT_FOUND for a name nobody has. */
  confirm(registry: string): boolean
  stop(): Promise<void>
}

export interface RegistriesDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly resources: Resources
}

/** Operators delete on purpose, one write at a time: nothing of theirs is ever doubted. */
const neverHeld: MassRemovalRule = {
  share: 1,
  minimum: 0,
  windowMs: 0,
  confirmMs: 0,
  serviceMinimum: Number.POSITIVE_INFINITY,
}

/** What operators apply is in the store already. */
const noCache: ViewCache = { load: async () => undefined, save() {}, stop: async () => {} }

/** Starts following every registry; throws WEFT_CONFIG_INVALID, with nothing started, when one cannot work. */
export async function startRegistries(deps: RegistriesDeps, config: ServerConfig): Promise<Registries> {
  const { clock, random, log, resources } = deps
  const depsOf = (name: string, cache: ViewCache, trustCallers: boolean): RegistryViewDeps => {
    const rules = { ...itemRulesOf(config), trustCallers }
    return { clock, random, log, cache, validate: createValidator(name, rules) }
  }
  const views = [
    startRegistryView(
      depsOf(resourcesRegistry, noCache, true),
      { name: resourcesRegistry, kind: 'resources', massRemoval: neverHeld },
      adapterDeps => createResourcesAdapter(resources.current, adapterDeps),
    ),
  ]
  const stop = async (): Promise<void> => {
    await Promise.all(views.map(view => view.stop()))
  }
  try {
    for (const registry of config.registries) {
      const { name, kind } = registry
      const cache = createFileViewCache(join(config.dataDir, 'views', name), {
        clock,
        log: log.child({ registry: name }),
      })
      const options = { name, kind, massRemoval: massRemovalOf(config) }
      // Files are the operator's own word.
      const asSaid = depsOf(name, cache, kind === 'static' || registry.trustCallers)
      const viewDeps: RegistryViewDeps = { ...asSaid, map: createMapping(registry.mapping, name) }
      views.push(startRegistryView(viewDeps, options, await adapterOf(registry, clock)))
    }
  } catch (error) {
    await stop()
    throw error
  }
  return registriesOf(views, stop)
}

/** The same with one more, the last; who started that one stops it. */
export function withRegistry(registries: Registries, view: RegistryView): Registries {
  return registriesOf([...registries.views, view], () => registries.stop())
}

function registriesOf(views: readonly RegistryView[], stop: () => Promise<void>): Registries {
  return {
    views,
    status: () => views.map(view => view.status.value),
    confirm(name) {
      const view = views.find(one => one.name === name)
      if (view === undefined) throw new MeshError('WEFT_NOT_FOUND', `no registry is called ${name}`)
      return view.confirm()
    },
    stop,
  }
}

/** What a registry's items are judged by, save what it is trusted with. */
export function itemRulesOf({ trustDomain, virtualIps }: ServerConfig): Omit<ItemRules, 'trustCallers'> {
  return { trustDomain, virtualIps: createRanges([virtualIps.ipv4, virtualIps.ipv6]) }
}

/** The rule of the configuration, for registries whose word may be doubted. */
export function massRemovalOf({ massRemoval }: ServerConfig): MassRemovalRule {
  return {
    share: massRemoval.percent / 100,
    minimum: massRemoval.minimum,
    windowMs: massRemoval.windowSeconds * 1000,
    confirmMs: massRemoval.confirmSeconds * 1000,
    serviceMinimum: massRemoval.serviceMinimum,
  }
}
