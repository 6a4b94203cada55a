import { readFile } from 'node:fs/promises'
import { createRequire, isBuiltin } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Clock } from '../mesh/std/clock.ts'
import { describeError, MeshError } from '../mesh/std/errors.ts'
import type { AdapterDeps, RegistryAdapter } from './adapter.ts'
import { isObject } from './json.ts'
import { type AdapterPlugin, type PluginOptions, pluginApi } from './plugin/contract.ts'
import { type GuardPace, guardAdapter } from './plugin/guard.ts'
import { settled } from './plugin/iteration.ts'
import { createRelay } from './plugin/relay.ts'
import { toolkit } from './plugin/toolkit.ts'

export interface PluginConfig {
  /** Name of the registry, for messages. */
  readonly registry: string
  /** Name of the npm package. */
  readonly package: string
  readonly options: PluginOptions
  /** Where packages are installed: each is looked for in the `node_modules` there and above, the first one found counts. */
  readonly directories: readonly string[]
}

/** What npm allows as the name of a package. */
const packageName = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/
const loadWithinMs = 30_000

/**
 * Loads the package of an adapter and returns what makes the adapter, fit for the server: it keeps the contract whatever
 * the package does (`plugin/guard.ts`). The function returned throws when the package refuses its options. Everything
 * that is wrong is a WEFT_CONFIG_INVALID that names the package.
 */
export async function loadPlugin(
  config: PluginConfig,
  clock: Clock,
  pace?: GuardPace,
): Promise<(deps: AdapterDeps) => RegistryAdapter> {
  const file = await findEntry(config)
  const plugin = await importPlugin(config, file, clock)
  return deps => {
    const relay = createRelay(deps)
    return guardAdapter(deps, relay, makeAdapter(config, plugin, relay.deps), pace)
  }
}

function makeAdapter(config: PluginConfig, plugin: AdapterPlugin, deps: AdapterDeps): RegistryAdapter {
  let made: unknown
  try {
    made = plugin.createAdapter({ ...deps, toolkit }, structuredClone(config.options))
  } catch (cause) {
    const next = 'correct the options of the registry; the documentation of the package lists them'
    throw invalid(config, `refuses its options: ${describeError(cause)}`, next)
  }
  if (isAdapter(made)) return made
  throw invalid(config, 'makes no adapter: createAdapter must return an object with watch', updatePackage)
}

const updatePackage = 'install a version of the package that is made for this server; docs/adapters.md has the contract'

async function findEntry(config: PluginConfig): Promise<string> {
  const { package: name, directories } = config
  if (!packageName.test(name) || isBuiltin(name)) {
    throw invalid(config, 'is not the name of an npm package', 'write the name under which npm installs it')
  }
  for (const directory of directories) {
    // only its folder counts
    const required = createRequire(join(directory, 'package.json'))
    try {
      return required.resolve(name)
    } catch (error) {
      if (isCode(error, 'ERR_PACKAGE_PATH_NOT_EXPORTED')) return importOnly(config, required.resolve.paths(name) ?? [])
      if (!isCode(error, 'MODULE_NOT_FOUND'))
        throw invalid(config, `cannot be found: ${describeError(error)}`, updatePackage)
    }
  }
  const next = `run npm install --prefix ${directories.at(-1)} ${name}, or set pluginDir to where it is installed`
  throw invalid(config, `is not installed in ${directories.join(' or ')}`, next)
}

/** The entry of a package that can only be imported: its `exports` name nothing that could be required. */
async function importOnly(config: PluginConfig, paths: readonly string[]): Promise<string> {
  for (const path of paths) {
    const folder = join(path, config.package)
    let manifest: unknown
    try {
      manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
    } catch {
      // it is not installed here but further up
      continue
    }
    const entry = entryOf(isObject(manifest) ? manifest.exports : undefined)
    if (entry !== undefined) return join(folder, entry)
  }
  throw invalid(config, 'exports nothing under its own name', updatePackage)
}

/** The file behind `exports`, by the conditions under which Node imports. */
function entryOf(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports
  if (!isObject(exports)) return undefined
  const condition = Object.keys(exports).find(key => ['.', 'import', 'node', 'default'].includes(key))
  return condition === undefined ? undefined : entryOf(exports[condition])
}

async function importPlugin(config: PluginConfig, file: string, clock: Clock): Promise<AdapterPlugin> {
  const loading: Promise<unknown> = import(pathToFileURL(file).href)
  if (!(await settled(loading, clock, loadWithinMs))) {
    throw invalid(config, `does not load within ${loadWithinMs / 1000} seconds`, updatePackage)
  }
  let module: unknown
  try {
    module = await loading
  } catch (cause) {
    throw invalid(config, `does not load: ${describeError(cause)}`, updatePackage)
  }
  const candidates = [module, isObject(module) ? module.default : undefined].filter(isObject)
  const plugin = candidates.find(one => one.api !== undefined || one.createAdapter !== undefined)
  if (plugin === undefined) throw invalid(config, 'exports neither api nor createAdapter', updatePackage)
  if (plugin.api !== pluginApi) {
    throw invalid(
      config,
      `is made for version ${String(plugin.api)} of the contract, this server knows ${pluginApi}`,
      updatePackage,
    )
  }
  if (isPlugin(plugin)) return plugin
  throw invalid(config, 'exports no function createAdapter', updatePackage)
}

function isPlugin(value: object): value is AdapterPlugin {
  return 'createAdapter' in value && typeof value.createAdapter === 'function'
}

function isAdapter(value: unknown): value is RegistryAdapter {
  return typeof value === 'object' && value !== null && 'watch' in value && typeof value.watch === 'function'
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

function invalid({ registry, package: name }: PluginConfig, what: string, next: string): MeshError {
  const fields = { registry, package: name }
  return new MeshError('WEFT_CONFIG_INVALID', `package ${name} of registry ${registry} ${what}`, { fields, next })
}
