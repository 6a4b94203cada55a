import type { AdapterDeps, RegistryAdapter } from '../adapter.ts'
import type { Toolkit } from './toolkit.ts'

/** The version of everything in this file and of the types it names; raised when a plugin would notice. */
export const pluginApi = 1

/** What a plugin is handed besides what every adapter is. */
export interface PluginDeps extends AdapterDeps {
  readonly toolkit: Toolkit
}

/** What the package of a plugin exports, by these names or as its default export. */
export interface AdapterPlugin {
  /** The version of the contract that it is written for. */
  readonly api: typeof pluginApi
  /**
   * Makes the adapter of one registry. Options that cannot work are thrown out here, before anything is started; the
   * registry itself is asked only by `watch`.
   */
  createAdapter(deps: PluginDeps, options: PluginOptions): RegistryAdapter
}

/** `options` of the registry in the server's configuration, as they are written there. */
export type PluginOptions = Readonly<Record<string, unknown>>
