import { readFileSync } from 'node:fs'
import { availableParallelism, hostname } from 'node:os'
import convict from 'convict'
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'
import { MeshError } from '../mesh/std/errors.ts'
import type { LogLevel } from '../mesh/std/log.ts'
import { settingFromText, settingProblems, settingsOf, typeName } from '../mesh/std/settings.ts'
import { agentSettings } from './config-schema.ts'

/** An agent's settings, checked, with every default filled in. Their meaning is in `config-schema.ts`. */
export interface AgentSettings {
  readonly node: string
  readonly server: {
    readonly host: string
    readonly transport: 'websocket' | 'grpc'
    readonly websocketPort: number
    readonly grpcPort: number
    readonly apiPort: number
  }
  readonly stateDir: string
  readonly ports: {
    readonly outbound: number
    readonly inbound: number
    readonly hbone: number
    readonly metrics: number
    readonly readiness: number
    readonly dns: number
    readonly workloadBase: number
  }
  readonly metricsHost: string
  readonly threads: number
  readonly capture: {
    readonly enabled: boolean
    readonly mode: 'mesh' | 'all'
    readonly onAgentDown: 'closed' | 'open'
    readonly dns: boolean
    readonly excludePorts: readonly number[]
    readonly excludeCidrs: readonly string[]
  }
  readonly dns: { readonly enabled: boolean; readonly upstreams: readonly string[] }
  readonly drainDeadlineMs: number
  readonly accessLog: string
  readonly logLevel: LogLevel
  readonly adminSocket: string
}

export interface SettingsSources {
  /** YAML or JSON. */
  readonly file?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** Flag name without dashes to its text. */
  readonly flags: Readonly<Record<string, string>>
}

/**
 * Reads an agent's settings: defaults, then the file, then the environment, then flags. Throws WEFT_CONFIG_INVALID
 * naming every key that is unknown or wrong, with file, line and column.
 */
export function loadAgentSettings(sources: SettingsSources): AgentSettings {
  const loader = convict<Mutable<AgentSettings>>(agentSettings, { env: {}, args: [] })
  if (sources.file !== undefined) loader.load(readSettingsFile(sources.file))
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

function resolved(settings: AgentSettings): AgentSettings {
  const { ports } = settings
  const names = new Map<number, string>()
  for (const [name, port] of Object.entries(ports)) {
    const other = names.get(port)
    if (other !== undefined && port !== 0) {
      throw invalid(`ports.${name} and ports.${other} are both ${port}`, { port })
    }
    names.set(port, name)
  }
  return {
    ...settings,
    node: settings.node === '' ? hostname() : settings.node,
    threads: settings.threads === 0 ? availableParallelism() : settings.threads,
  }
}

function readSettingsFile(file: string): object {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw invalid('the configuration file cannot be read', { file }, cause)
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const broken = document.errors[0]
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0])
    throw invalid(`${file}:${line}:${col}: ${broken.message}`, { file, line, column: col })
  }
  const value: unknown = document.toJS({ maxAliasCount: 100 })
  const problems = settingProblems(value, agentSettings)
  if (problems.length > 0) {
    const said = problems.map(({ path, message }) => `${position(document, lines, file, path)}: ${message}`)
    throw invalid(said.join('; '), { file, keys: problems.map(problem => problem.path.join('.')) })
  }
  return typeof value === 'object' && value !== null ? value : {}
}

/** Where the key stands; the file alone when the document has no such place. */
function position(document: Document, lines: LineCounter, file: string, path: readonly string[]): string {
  const parent = path.length <= 1 ? document.contents : document.getIn(path.slice(0, -1), true)
  const pair = isMap(parent)
    ? parent.items.find(item => isScalar(item.key) && item.key.value === path.at(-1))
    : undefined
  const start = pair !== undefined && isNode(pair.key) ? pair.key.range?.[0] : undefined
  if (start === undefined) return file
  const { line, col } = lines.linePos(start)
  return `${file}:${line}:${col}`
}

function* fromEnvironment(env: SettingsSources['env']): Generator<readonly [string, unknown]> {
  const all = settingsOf(agentSettings)
  const known = new Set(all.map(([, setting]) => setting.env))
  // A misspelt variable would otherwise be a setting that silently stays at its default.
  const unknown = Object.keys(env).filter(name => name.startsWith('WEFT_AGENT_') && !known.has(name))
  if (unknown.length > 0) throw invalid(`unknown environment variable ${unknown.join(', ')}`, { keys: unknown })
  for (const [path, setting] of all) {
    const text = env[setting.env]
    if (text === undefined) continue
    const value = settingFromText(setting, text)
    if (value === undefined) throw invalid(`${setting.env} must be ${typeName(setting)}`, { key: setting.env })
    yield [path.join('.'), value]
  }
}

function* fromFlags(flags: SettingsSources['flags']): Generator<readonly [string, unknown]> {
  const byFlag = new Map(settingsOf(agentSettings).map(entry => [entry[1].arg, entry] as const))
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
