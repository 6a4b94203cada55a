import { MeshError } from '../../mesh/std/errors.ts'
import type { NomadOptions } from './client/options.ts'
import { type NamespaceRule, parseNamespaceRule } from './namespaces.ts'
import type { ServiceAccounts } from './translate-instance.ts'

/** How to reach a Nomad cluster and how its services become services of the mesh. */
export interface NomadAdapterOptions {
  /** Address and credentials, see client/options.ts. */
  readonly client: Omit<NomadOptions, 'maxSockets'>
  /** Namespaces of Nomad that are read and what they are called in the mesh, see namespaces.ts; all when left out. */
  readonly namespaces?: readonly string[]
  /** Identity of instances that name none: `none` (outside the mesh, also when left out), `service-name` or `job`. */
  readonly serviceAccounts?: string
  /** Whether any Nomad server may be asked for a single service, not only the leader. */
  readonly stale?: boolean
  /** Most requests open at once besides the event stream, 5 to 90; 16 when left out. */
  readonly maxOpenQueries?: number
  /** How often the checks of an allocation are read, 1 s to ten minutes; 5 s when left out. */
  readonly checkPeriodSeconds?: number
  /** Paces that tests shorten; {@link defaultPace} when left out. */
  readonly pace?: Partial<NomadPace>
}

/** How often the adapter asks, all in milliseconds. */
export interface NomadPace {
  /** Shortest time between two rounds of reads. */
  readonly repeatMs: number
  /** Longest time between two complete reads, whatever events say. */
  readonly resyncMs: number
  /** Shortest time between two complete reads where there are no events, and the least they are apart. */
  readonly pollMs: number
  /** How long Nomad may hold a blocking query. */
  readonly waitMs: number
  readonly backoffBaseMs: number
  readonly backoffCapMs: number
}

const defaultPace: NomadPace = {
  repeatMs: 100,
  resyncMs: 600_000,
  pollMs: 1_000,
  waitMs: 60_000,
  backoffBaseMs: 1_000,
  backoffCapMs: 15_000,
}

/** {@link NomadAdapterOptions}, checked, with every default filled in. */
export interface NomadAdapterSettings {
  readonly namespaces: NamespaceRule
  readonly serviceAccounts: ServiceAccounts
  readonly stale: boolean
  /** Of the requests that may be open at once, those for checks. */
  readonly checkQueries: number
  /** And those for everything else but the three that wait for changes where there are no events. */
  readonly readQueries: number
  readonly checkPeriodMs: number
  readonly pace: NomadPace
}

/** Blocking queries on services, allocations and nodes. */
const standingQueries = 3

/** Checks the options; throws WEFT_CONFIG_INVALID that names the option. */
export function checkAdapterOptions(options: NomadAdapterOptions): NomadAdapterSettings {
  const { maxOpenQueries = 16, checkPeriodSeconds = 5, serviceAccounts = 'none' } = options
  if (!isServiceAccounts(serviceAccounts)) {
    throw invalid('serviceAccounts', 'service accounts must be none, service-name or job', serviceAccounts)
  }
  if (!Number.isInteger(maxOpenQueries) || maxOpenQueries < standingQueries + 2 || maxOpenQueries > 90) {
    throw invalid('maxOpenQueries', 'the number of open queries must be between 5 and 90', maxOpenQueries)
  }
  if (!(checkPeriodSeconds >= 1 && checkPeriodSeconds <= 600)) {
    throw invalid('checkPeriodSeconds', 'the period of checks must be between 1 s and ten minutes', checkPeriodSeconds)
  }
  const checkQueries = Math.floor((maxOpenQueries - standingQueries) / 3) || 1
  return {
    namespaces: parseNamespaceRule(options.namespaces ?? []),
    serviceAccounts,
    stale: options.stale ?? false,
    checkQueries,
    readQueries: maxOpenQueries - standingQueries - checkQueries,
    checkPeriodMs: checkPeriodSeconds * 1000,
    pace: { ...defaultPace, ...options.pace },
  }
}

function isServiceAccounts(text: string): text is ServiceAccounts {
  return text === 'none' || text === 'service-name' || text === 'job'
}

function invalid(option: string, message: string, got: unknown): MeshError {
  return new MeshError('WEFT_CONFIG_INVALID', message, { fields: { option, got } })
}
