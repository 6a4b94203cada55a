import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { Watch } from '../../mesh/std/watch.ts'
import type { AdapterDeps, RegistryAdapter } from '../adapter.ts'
import { type ConsulOptions, checkOptions } from './options.ts'
import { runAdapter } from './run.ts'

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
      const views = new Watch<RegistrySnapshot | undefined>(undefined)
      // A loop ends by itself only through a defect; the others end with it, and the defect is thrown below.
      const show = (view: RegistrySnapshot) => views.set(view)
      const running = runAdapter(deps, settings, show, stop.signal).finally(abort)
      running.catch(() => {})
      try {
        for await (const view of views.changes(stop.signal)) if (view !== undefined) yield view
      } finally {
        abort()
        signal.removeEventListener('abort', abort)
        await running
      }
    },
  }
}
