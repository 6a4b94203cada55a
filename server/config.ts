import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, resolve } from 'node:path'
import convict from 'convict'
import type { LogLevel } from '../mesh/std/log.ts'
import { type Setting, type SettingProblem, settingFromText, settingProblems } from '../mesh/std/settings.ts'
import { invalidSettings, parseSettingsFile } from '../mesh/std/settings-file.ts'
import { environmentLayer, flagLayer } from '../mesh/std/settings-layers.ts'
import { type AttestorConfig, attestorProblems, toAttestorConfigs } from './attestor-config.ts'
import { composeMergeRules, type MergeRulesText } from './catalogue/merge-rules.ts'
import { serverSettings } from './config-schema.ts'
import { resourcesRegistry } from './placement.ts'
import { type RegistryConfig, registryProblems, toRegistryConfigs } from './registry-config.ts'

/** A server's settings, checked, with every default filled in. Their meaning is in `config-schema.ts`. */
export interface ServerConfig {
  readonly name: string
  readonly trustDomain: string
  readonly dataDir: string
  readonly passphraseFile: string
  readonly listen: {
    readonly host: string
    readonly websocketPort: number
    readonly grpcPort: number
    readonly apiPort: number
    readonly apiNames: readonly string[]
    readonly metricsHost: string
    readonly metricsPort: number
  }
  readonly leafTtlSeconds: number
  readonly virtualIps: { readonly ipv4: string; readonly ipv6: string }
  readonly dnsDomain: string
  readonly rootNamespace: string
  readonly defaultIdentity: string
  readonly registries: readonly RegistryConfig[]
  readonly attestors: readonly AttestorConfig[]
  readonly merge: MergeRulesText
  readonly massRemoval: {
    readonly percent: number
    readonly minimum: number
    readonly windowSeconds: number
    readonly confirmSeconds: number
    readonly serviceMinimum: number
  }
  readonly register: { readonly graceSeconds: number; readonly addresses: readonly string[] }
  readonly outboundUrls: { readonly allow: readonly string[]; readonly authoritiesFile: string }
  readonly logLevel: LogLevel
}

export interface ServerConfigSources {
  /** A YAML or JSON file. */
  readonly file?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** Flag name without dashes to its text. */
  readonly flags: Readonly<Record<string, string>>
}

/**
 * Reads a server's settings: defaults, then the file, then the environment, then flags. Throws WEFT_CONFIG_INVALID
 * naming every key that is unknown or wrong, with file, line and column.
 */
export function loadServerConfig(sources: ServerConfigSources): ServerConfig {
  const loader = convict<Loaded>(serverSettings, { env: {}, args: [] })
  if (sources.file !== undefined) loader.load(readConfigFile(sources.file))
  for (const layer of [
    environmentLayer(serverSettings, 'WEFT_SERVER_', sources.env, readSetting),
    flagLayer(serverSettings, sources.flags),
  ]) {
    for (const [path, value] of layer) loader.set(path, value)
  }
  try {
    loader.validate({ allowed: 'strict' })
  } catch (cause) {
    throw invalidSettings(cause instanceof Error ? cause.message.replaceAll('\n', '; ') : String(cause), {})
  }
  return resolved(loader.getProperties(), sources.file === undefined ? undefined : dirname(resolve(sources.file)))
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends object ? Mutable<T[K]> : T[K] }
type Loaded = Mutable<Omit<ServerConfig, 'registries' | 'attestors' | 'merge'>> & {
  registries: object[]
  attestors: object[]
  merge: { rule: string; services: string[] }
}

function resolved(loaded: Loaded, configDir: string | undefined): ServerConfig {
  const registries = toRegistryConfigs(loaded.registries, configDir)
  composeMergeRules(loaded.merge, [], [resourcesRegistry, ...registries.map(registry => registry.name)])
  const ports = [loaded.listen.websocketPort, loaded.listen.grpcPort, loaded.listen.apiPort, loaded.listen.metricsPort]
  const twice = ports.find((port, index) => port !== 0 && ports.indexOf(port) !== index)
  if (twice !== undefined) throw invalidSettings(`two listeners share port ${twice}`, { port: twice })
  const attestors = toAttestorConfigs(loaded.attestors)
  return { ...loaded, name: loaded.name === '' ? hostname() : loaded.name, registries, attestors }
}

function readConfigFile(file: string): object {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw invalidSettings(`the configuration file ${file} cannot be read`, { file }, cause)
  }
  return parseSettingsFile(text, file, configProblems)
}

function configProblems(value: unknown): SettingProblem[] {
  // options of registries and attestors depend on their kind, so they have checks of their own
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return settingProblems(value, serverSettings)
  const { registries, attestors, ...rest }: { registries?: unknown; attestors?: unknown } = value
  return [
    ...settingProblems(rest, serverSettings),
    ...(registries === undefined ? [] : registryProblems(registries)),
    ...(attestors === undefined ? [] : attestorProblems(attestors)),
  ]
}

/** The environment gives the lists of registries and attestors as JSON. */
function readSetting(setting: Setting, text: string, path: string): unknown {
  if (path === 'registries') return listFromText(setting.env, text, 'registries', registryProblems)
  if (path === 'attestors') return listFromText(setting.env, text, 'attestors', attestorProblems)
  return settingFromText(setting, text)
}

function listFromText(
  name: string,
  text: string,
  what: string,
  problems: (value: unknown) => readonly SettingProblem[],
): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw invalidSettings(`${name} must be a JSON list of ${what}`, { key: name }, cause)
  }
  const [problem] = problems(value)
  if (problem !== undefined) throw invalidSettings(`${name}: ${problem.message}`, { key: problem.path.join('.') })
  return value
}
