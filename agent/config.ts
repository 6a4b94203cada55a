import { readFileSync } from 'node:fs'
import { availableParallelism, hostname } from 'node:os'
import convict from 'convict'
import { describeError } from '../mesh/std/errors.ts'
import type { LogLevel } from '../mesh/std/log.ts'
import { settingProblems } from '../mesh/std/settings.ts'
import { invalidSettings, parseSettingsFile } from '../mesh/std/settings-file.ts'
import { environmentLayer, flagLayer } from '../mesh/std/settings-layers.ts'
import { agentSettings } from './config-schema.ts'
import { declaredBySettings } from './registration/declared.ts'

/** What a host can join with, besides a token; empty for nothing. */
export type EvidenceName = '' | 'nomad' | 'kubernetes' | 'consul' | 'x509' | 'aws' | 'gcp' | 'azure'

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
  readonly join: {
    readonly evidence: EvidenceName
    readonly evidenceFile: string
    /** Hex; empty when nothing is joined by evidence. */
    readonly rootHash: string
    readonly audience: string
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
  readonly metricsPrefix: string
  readonly threads: number
  readonly capture: {
    readonly enabled: boolean
    readonly mode: 'mesh' | 'all'
    readonly onAgentDown: 'closed' | 'open'
    readonly dns: boolean
    readonly excludePorts: readonly number[]
    readonly excludeCidrs: readonly string[]
  }
  readonly credentials: { readonly directory: string }
  readonly dns: { readonly enabled: boolean; readonly upstreams: readonly string[] }
  readonly inbound: { readonly unixSockets: readonly string[] }
  readonly health: { readonly exec: boolean }
  /** What this host registers itself as; no group registers nothing. */
  readonly register: {
    readonly group: string
    readonly name: string
    readonly address: string
    readonly ports: readonly string[]
  }
  /** No path serves no Workload API. */
  readonly workloadApi: { readonly socket: string }
  /** Which calls are seen, for whoever writes policies. */
  readonly flows: { readonly report: boolean; readonly intervalMs: number }
  readonly drainDeadlineMs: number
  readonly accessLog: string
  readonly accessLogEncoding: 'TEXT' | 'JSON'
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
  for (const layer of [
    environmentLayer(agentSettings, 'WEFT_AGENT_', sources.env),
    flagLayer(agentSettings, sources.flags),
  ]) {
    for (const [path, value] of layer) loader.set(path, value)
  }
  try {
    loader.validate({ allowed: 'strict' })
  } catch (cause) {
    throw invalidSettings(cause instanceof Error ? cause.message.replaceAll('\n', '; ') : String(cause), {})
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
      throw invalidSettings(`ports.${name} and ports.${other} are both ${port}`, { port })
    }
    names.set(port, name)
  }
  const node = settings.node === '' ? hostname() : settings.node
  refuseBadRegistration(settings, node)
  return { ...settings, node, threads: settings.threads === 0 ? availableParallelism() : settings.threads }
}

function refuseBadRegistration({ register }: AgentSettings, node: string): void {
  try {
    declaredBySettings({ register, node })
  } catch (cause) {
    throw invalidSettings(`register: ${describeError(cause)}`, { key: 'register' }, cause)
  }
}

function readSettingsFile(file: string): object {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw invalidSettings('the configuration file cannot be read', { file }, cause)
  }
  return parseSettingsFile(text, file, value => settingProblems(value, agentSettings))
}
