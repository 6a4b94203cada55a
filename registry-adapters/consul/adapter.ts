import type { AdapterDeps, RegistryAdapter } from '../adapter.ts'
import { watchViews } from '../watch-views.ts'
import { type ConsulOptions, checkOptions } from './options.ts'
import { runAdapter } from './run.ts'

/**
 * An adapter for one datacentre of Consul. Throws WEFT_CONFIG_INVALID for options that cannot work; nothing is opened
 * before `watch`. How it asks is explained in docs/decisions/consul-queries.md, how it translates in
 * docs/registries/consul.md.
 */
export function createConsulAdapter(deps: AdapterDeps, options: ConsulOptions): RegistryAdapter {
  const settings = checkOptions(options)
  return {
    async *watch(signal) {
      if (signal.aborted) return
      yield* watchViews(signal, (views, stop) => runAdapter(deps, settings, view => views.set(view), stop))
    },
  }
}
