import { didYouMean } from '../mesh/std/did-you-mean.ts'
import { type SettingProblem, type SettingsTree, settingProblems, settingsOf } from '../mesh/std/settings.ts'
import { type MappingOptions, templateProblem } from './catalogue/mapping.ts'
import { commonOptions, type RegistryKind, registryKinds } from './registry-schema.ts'

type KindConfig =
  | { readonly kind: 'static'; readonly name: string; readonly directory: string; readonly files: readonly string[] }
  | ({ readonly kind: 'consul'; readonly name: string } & ConsulSettings)
  | ({ readonly kind: 'nomad'; readonly name: string } & NomadSettings)
  | ({ readonly kind: 'plugin'; readonly name: string } & PluginSettings)
  | ({ readonly kind: 'kubernetes'; readonly name: string } & KubernetesSettings)

/** One registry of the configuration, checked, with the defaults of its kind filled in. */
export type RegistryConfig = KindConfig & { readonly mapping: MappingOptions }

/** Which package has the adapter. */
export interface PluginSettings {
  readonly package: string
  readonly options: Readonly<Record<string, unknown>>
  /** Empty for the default. */
  readonly pluginDir: string
  readonly trustCallers: boolean
  /** The directory of the configuration file, where there is one. */
  readonly configDir?: string
}

/** How to reach a Consul agent; empty texts mean that nothing is set. */
export interface ConsulSettings {
  readonly address: string
  readonly addresses: readonly string[]
  readonly datacenter: string
  readonly consulNamespace: string
  readonly partition: string
  readonly services: readonly string[]
  readonly excludeServices: readonly string[]
  readonly filter: string
  readonly addressTag: string
  readonly tokenFile: string
  readonly loginMethod: string
  readonly loginBearerTokenFile: string
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
  readonly stale: boolean
  readonly namespace: string
  readonly serviceAccounts: string
  readonly trustCallers: boolean
  readonly writeHealth: boolean
  readonly maxOpenQueries: number
}

/** How to reach a Nomad agent; empty texts mean that nothing is set. */
export interface NomadSettings {
  readonly address: string
  readonly region: string
  readonly namespaces: readonly string[]
  readonly tokenFile: string
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
  readonly tlsServerName: string
  readonly stale: boolean
  readonly serviceAccounts: string
  readonly trustCallers: boolean
  readonly maxOpenQueries: number
  readonly checkPeriodSeconds: number
}

/** Which cluster to read, and how; empty texts mean that nothing is set. */
export interface KubernetesSettings {
  readonly kubeconfig: string
  readonly context: string
  readonly allowExec: boolean
  readonly namespaces: readonly string[]
  readonly labelSelector: string
  readonly clusterName: string
  readonly clusterDomain: string
  readonly serviceAccounts: string
  readonly nodeAgents: boolean
  readonly nodes: boolean
  readonly istio: boolean
  readonly trustCallers: boolean
}

/**
 * Registries' names prefix workload ids and stand in metrics; `resources` is what operators apply, `hosts` what hosts
 * register themselves.
 */
const namePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const reservedNames = new Set(['resources', 'hosts'])

/**
 * Checks the list of registries. Returns everything that is wrong, each with the path to it below `registries`; an
 * empty list means that {@link toRegistryConfigs} can be called.
 */
export function registryProblems(value: unknown): SettingProblem[] {
  if (!Array.isArray(value)) return [{ path: ['registries'], message: 'registries must be a list of mappings' }]
  const names = new Set<string>()
  return value.flatMap((entry: unknown, index) => {
    const path = ['registries', String(index)]
    if (!isMapping(entry)) return [{ path, message: 'a registry must be a mapping' }]
    const mapping = mappingProblems(entry.mapping, [...path, 'mapping'])
    return [...nameProblems(entry.name, names, path), ...kindProblems(entry, path), ...mapping]
  })
}

/** Reads a list without problems; `configDir` is the directory of the file that it stands in. */
export function toRegistryConfigs(value: readonly object[], configDir?: string): readonly RegistryConfig[] {
  return value.map(entry => {
    const { kind, mapping = null } = entry as { kind: RegistryConfig['kind']; mapping?: object | null }
    const filled: object = {
      ...defaultsOf(registryKinds[kind].options),
      ...entry,
      mapping: { ...defaultsOf(commonOptions.mapping), ...mapping },
      ...(kind === 'plugin' && configDir !== undefined ? { configDir } : {}),
    }
    return filled as RegistryConfig
  })
}

function defaultsOf(options: SettingsTree): Readonly<Record<string, unknown>> {
  return Object.fromEntries(settingsOf(options).map(([path, setting]) => [path[0], setting.default]))
}

function nameProblems(name: unknown, names: Set<string>, path: readonly string[]): SettingProblem[] {
  if (typeof name !== 'string' || !namePattern.test(name)) {
    return [{ path, message: 'a registry needs a name of lower-case letters, digits and dashes' }]
  }
  if (reservedNames.has(name)) return [{ path: [...path, 'name'], message: `the name ${name} is reserved` }]
  if (names.has(name)) return [{ path: [...path, 'name'], message: `two registries are called ${name}` }]
  names.add(name)
  return []
}

function kindProblems(entry: Readonly<Record<string, unknown>>, path: readonly string[]): SettingProblem[] {
  const { kind, name: _, ...options } = entry
  if (typeof kind !== 'string' || !Object.hasOwn(registryKinds, kind)) {
    const known = Object.keys(registryKinds)
    const meant = typeof kind === 'string' ? didYouMean(kind, known) : undefined
    const hint = meant === undefined ? '' : `, did you mean ${meant}?`
    return [{ path: [...path, 'kind'], message: `the kind of a registry must be one of ${known.join(', ')}${hint}` }]
  }
  const { options: tree, required, oneOf = [] }: RegistryKind = registryKinds[kind as RegistryConfig['kind']]
  const isGiven = (key: string) => !isUnset(options[key])
  const missing = required.filter(key => !isGiven(key))
  const needs = oneOf.length === 0 || oneOf.some(isGiven) ? missing : [...missing, oneOf.join(' or ')]
  return [
    ...settingProblems(options, { ...tree, ...commonOptions }, path),
    ...needs.map(key => ({ path, message: `a registry of kind ${kind} needs ${key}` })),
  ]
}

/** What is wrong with the templates; their types are looked at with all other options. */
function mappingProblems(mapping: unknown, path: readonly string[]): SettingProblem[] {
  if (!isMapping(mapping)) return []
  return (['name', 'namespace', 'hosts'] as const).flatMap(option => {
    const templates: unknown[] = [mapping[option]].flat()
    return templates.flatMap((template): SettingProblem[] => {
      const problem = typeof template === 'string' ? templateProblem(option, template) : undefined
      if (problem === undefined) return []
      return [{ path: [...path, option], message: `mapping.${option}: ${JSON.stringify(template)} ${problem}` }]
    })
  })
}

function isUnset(value: unknown): boolean {
  return value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
