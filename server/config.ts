import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import convict from 'convict'
import { type Document, isNode, LineCounter, parseDocument } from 'yaml'
import { didYouMean } from '../mesh/std/did-you-mean.ts'
import { MeshError } from '../mesh/std/errors.ts'
import type { LogLevel } from '../mesh/std/log.ts'
import { type SettingProblem, settingFromText, settingProblems, settingsOf, typeName } from '../mesh/std/settings.ts'
import { type MergeRules, parseMergeRules } from './catalogue/merge-rules.ts'
import { serverSettings } from './config-schema.ts'
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
    readonly metricsHost: string
    readonly metricsPort: number
  }
  readonly leafTtlSeconds: number
  readonly virtualIps: { readonly ipv4: string; readonly ipv6: string }
  readonly dnsDomain: string
  readonly rootNamespace: string
  readonly defaultIdentity: string
  readonly registries: readonly RegistryConfig[]
  readonly merge: MergeRules
  readonly massRemoval: {
    readonly percent: number
    readonly minimum: number
    readonly windowSeconds: number
    readonly confirmSeconds: number
  }
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
  for (const layer of [fromEnvironment(sources.env), fromFlags(sources.flags)]) {
    for (const [path, value] of layer) loader.set(path, value)
  }
  try {
    loader.validate({ allowed: 'strict' })
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message.replaceAll('\n', '; ') : String(cause), {})
  }
  return resolved(loader.getProperties())
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends object ? Mutable<T[K]> : T[K] }
type Loaded = Mutable<Omit<ServerConfig, 'registries' | 'merge'>> & {
  registries: object[]
  merge: { rule: string; services: string[] }
}

function resolved(loaded: Loaded): ServerConfig {
  const registries = toRegistryConfigs(loaded.registries)
  const merge = parseMergeRules(loaded.merge, ['resources', ...registries.map(registry => registry.name)])
  const ports = [loaded.listen.websocketPort, loaded.listen.grpcPort, loaded.listen.apiPort, loaded.listen.metricsPort]
  const twice = ports.find((port, index) => port !== 0 && ports.indexOf(port) !== index)
  if (twice !== undefined) throw invalid(`two listeners share port ${twice}`, { port: twice })
  return { ...loaded, name: loaded.name === '' ? hostname() : loaded.name, registries, merge }
}

function readConfigFile(file: string): object {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw invalid(`the configuration file ${file} cannot be read`, { file }, cause)
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const broken = document.errors[0]
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0])
    throw invalid(`${file}:${line}:${col}: ${broken.message}`, { file, line, column: col })
  }
  const value: unknown = document.toJS({ maxAliasCount: 100 })
  const problems = configProblems(value)
  if (problems.length > 0) {
    const said = problems.map(({ path, message }) => `${position(document, lines, file, path)}: ${message}`)
    throw invalid(said.join('; '), { file, keys: problems.map(problem => problem.path.join('.')) })
  }
  return typeof value === 'object' && value !== null ? value : {}
}

function configProblems(value: unknown): SettingProblem[] {
  // the registries' own options depend on their kind, so they have a check of their own
  if (typeof value !== 'object' || value === null || !('registries' in value))
    return settingProblems(value, serverSettings)
  const { registries, ...rest } = value
  return [...settingProblems(rest, serverSettings), ...registryProblems(registries)]
}

function position(document: Document, lines: LineCounter, file: string, path: readonly string[]): string {
  const node = path.length === 0 ? document.contents : document.getIn(path, true)
  const start = isNode(node) ? node.range?.[0] : undefined
  if (start === undefined) return file
  const { line, col } = lines.linePos(start)
  return `${file}:${line}:${col}`
}

function* fromEnvironment(env: ServerConfigSources['env']): Generator<readonly [string, unknown]> {
  const all = settingsOf(serverSettings)
  const known = all.map(([, setting]) => setting.env)
  // a misspelt variable would otherwise be a setting that silently stays at its default
  for (const name of Object.keys(env).filter(name => name.startsWith('WEFT_SERVER_') && !known.includes(name))) {
    const meant = didYouMean(name, known)
    const hint = meant === undefined ? '' : `, did you mean ${meant}?`
    throw invalid(`unknown environment variable ${name}${hint}`, { key: name })
  }
  for (const [path, setting] of all) {
    const text = env[setting.env]
    if (text === undefined) continue
    const key = path.join('.')
    const value = key === 'registries' ? registriesFromText(setting.env, text) : settingFromText(setting, text)
    if (value === undefined) throw invalid(`${setting.env} must be ${typeName(setting)}`, { key: setting.env })
    yield [key, value]
  }
}

function registriesFromText(name: string, text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw invalid(`${name} must be a JSON list of registries`, { key: name }, cause)
  }
  const [problem] = registryProblems(value)
  if (problem !== undefined) throw invalid(`${name}: ${problem.message}`, { key: problem.path.join('.') })
  return value
}

function* fromFlags(flags: ServerConfigSources['flags']): Generator<readonly [string, unknown]> {
  const byFlag = new Map(settingsOf(serverSettings).map(entry => [entry[1].arg, entry] as const))
  for (const [flag, text] of Object.entries(flags)) {
    const entry = byFlag.get(flag)
    if (entry === undefined) throw invalid(`unknown flag --${flag}`, { key: flag })
    const [path, setting] = entry
    const value = settingFromText(setting, text)
    if (value === undefined) throw invalid(`--${flag} must be ${typeName(setting)}`, { key: flag })
    yield [path.join('.'), value]
  }
}

function invalid(message: string, fields: Readonly<Record<string, unknown>>, cause?: unknown): MeshError {
  return new MeshError('WEFT_CONFIG_INVALID', message, { fields, cause })
}
