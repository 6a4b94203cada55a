import { MeshError } from '../../mesh/std/errors.ts'
import { dnsLabel } from '../instance-names.ts'
import type { ConsulLogin } from './login.ts'

/** How to reach a Consul agent or server and how its services become services of the mesh. */
export interface ConsulOptions {
  /** `http(s)://host:port` of an agent or server, without a path. */
  readonly address?: string
  /** Several of one datacentre, instead: the first that answers is asked. All http, or all https. */
  readonly addresses?: readonly string[]
  /** An ACL token that may read services and nodes; see docs/registries.md for the policy. */
  readonly token?: string
  /** File that holds such a token instead; read again after every failure, so that it may be replaced. */
  readonly tokenFile?: string
  /** A token by an auth method of Consul, instead of both. */
  readonly login?: ConsulLogin
  /** The datacentre to read; the agent's own when left out. */
  readonly datacenter?: string
  /** The namespace to read, and the admin partition: Consul Enterprise only. */
  readonly consulNamespace?: string
  readonly partition?: string
  /** Services to follow, and services not to: names or `tag:<tag>`, `*` standing for any text. All when left out. */
  readonly services?: readonly string[]
  readonly excludeServices?: readonly string[]
  /** Which instances to take, in Consul's filter language: `"mesh" in Service.Tags`. All when left out. */
  readonly filter?: string
  /** Which of the tagged addresses to use where an instance or its node has one: `lan`, `wan`, `lan_ipv6`. */
  readonly addressTag?: string
  /** Names of PEM files, read again after every failure. Only with an https address. */
  readonly tls?: {
    /** Authorities of Consul's certificate; the system's own when left out. */
    readonly ca?: string
    /** Client certificate; goes with `key`. */
    readonly cert?: string
    readonly key?: string
  }
  /** Whether any Consul server may answer the standing queries, not only the leader. */
  readonly stale?: boolean
  /** Mesh namespace of services that name none: `default` when left out. */
  readonly meshNamespace?: string
  /** Most requests open at once, at least 6; 64 when left out. */
  readonly maxOpenQueries?: number
  /** How long Consul may hold a blocking query, 1 ms to ten minutes; a minute when left out. */
  readonly waitMs?: number
  /** Identity of instances that name none: their service's name, or none, which means outside the mesh. */
  readonly defaultServiceAccount?: 'none' | 'service-name'
  /** Paces that tests shorten; {@link defaultPace} when left out. */
  readonly pace?: Partial<ConsulPace>
}

/** How often the adapter asks, all in milliseconds. */
export interface ConsulPace {
  /** A standing query is repeated at most this often, after a burst of two. */
  readonly repeatMs: number
  /** Longest time between two looks at whether Consul still answers and still lets us read. */
  readonly heartbeatMs: number
  /** Longest time between two complete reads, whatever the standing queries say. */
  readonly resyncMs: number
  /** Shortest time between two reads of all services. */
  readonly sweepMs: number
  /** An answer that is not held back on purpose must arrive within this. */
  readonly answerMs: number
  /** The answer to a heartbeat must arrive within this; else another server is asked. */
  readonly aliveMs: number
  /** Shortest time between two fresh starts of everything that is open at Consul. */
  readonly restartMs: number
  /** A server that has failed is not asked before others for so long. */
  readonly avoidMs: number
  readonly backoffBaseMs: number
  readonly backoffCapMs: number
}

export const defaultPace: ConsulPace = {
  repeatMs: 200,
  heartbeatMs: 5_000,
  resyncMs: 600_000,
  sweepMs: 1_000,
  answerMs: 10_000,
  aliveMs: 4_000,
  restartMs: 60_000,
  avoidMs: 30_000,
  backoffBaseMs: 1_000,
  backoffCapMs: 15_000,
}

/** An agent or server. */
export interface ConsulServer {
  /** As configured; carries no secret. */
  readonly url: string
  readonly secure: boolean
  /** A name or an address. */
  readonly host: string
  readonly port: number
}

/** {@link ConsulOptions}, checked, with every default filled in. */
export interface ConsulSettings {
  /** At least one. */
  readonly servers: readonly ConsulServer[]
  readonly token: string | undefined
  readonly tokenFile: string | undefined
  readonly login: ConsulLogin | undefined
  readonly datacenter: string | undefined
  readonly consulNamespace: string | undefined
  readonly partition: string | undefined
  readonly services: readonly string[]
  readonly excludeServices: readonly string[]
  readonly filter: string | undefined
  readonly addressTag: string | undefined
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string }
  readonly stale: boolean
  readonly meshNamespace: string
  readonly maxOpenQueries: number
  readonly waitMs: number
  readonly defaultServiceAccount: 'none' | 'service-name'
  readonly pace: ConsulPace
}

/** The four standing queries and the heartbeat; one more is needed to read anything. */
export const standingQueries = 5

/** How many services are read at once: more would not be faster, and leaves less for queries that stay open. */
export function readersOf({ maxOpenQueries }: { readonly maxOpenQueries: number }): number {
  return Math.min(12, Math.max(1, Math.floor((maxOpenQueries - standingQueries) / 4)))
}

/** Checks the options; throws WEFT_CONFIG_INVALID that names the option. */
export function checkOptions(options: ConsulOptions): ConsulSettings {
  const servers = checkAddresses(options)
  const { token, tokenFile, login, tls = {}, maxOpenQueries = 64, waitMs = 60_000, meshNamespace = 'default' } = options
  const tokens = Object.entries({ token, tokenFile, login }).filter(([, value]) => value !== undefined)
  if (tokens.length > 1) throw invalid(tokens.at(-1)?.[0] ?? '', 'a token, a token file and a login exclude each other')
  if (login !== undefined && (login.method === '' || login.bearerTokenFile === '')) {
    throw invalid('login', 'a login needs an auth method and a file with the bearer token for it')
  }
  if (!servers.every(({ secure }) => secure) && Object.keys(tls).length > 0) {
    throw invalid('tls', 'tls files need https addresses')
  }
  if ((tls.cert === undefined) !== (tls.key === undefined)) throw invalid('tls', 'a client certificate needs its key')
  if (!Number.isInteger(maxOpenQueries) || maxOpenQueries <= standingQueries) {
    throw invalid('maxOpenQueries', 'the number of open queries must be at least 6', maxOpenQueries)
  }
  if (!Number.isInteger(waitMs) || waitMs < 1 || waitMs > 600_000) {
    throw invalid('waitMs', 'the wait of a blocking query must be between 1 ms and ten minutes', waitMs)
  }
  if (!dnsLabel.test(meshNamespace)) throw invalid('meshNamespace', 'a namespace must be a DNS label', meshNamespace)
  return {
    servers,
    token,
    tokenFile,
    login,
    datacenter: options.datacenter,
    consulNamespace: options.consulNamespace,
    partition: options.partition,
    services: checkPatterns('services', options.services),
    excludeServices: checkPatterns('excludeServices', options.excludeServices),
    filter: options.filter,
    addressTag: options.addressTag,
    tls,
    stale: options.stale ?? false,
    meshNamespace,
    maxOpenQueries,
    waitMs,
    defaultServiceAccount: options.defaultServiceAccount ?? 'none',
    pace: { ...defaultPace, ...options.pace },
  }
}

function checkPatterns(option: string, patterns: readonly string[] = []): readonly string[] {
  const empty = patterns.find(pattern => pattern === '' || pattern === 'tag:')
  if (empty !== undefined) throw invalid(option, 'a pattern for services is empty', empty)
  return patterns
}

function checkAddresses({ address, addresses = [] }: ConsulOptions): readonly ConsulServer[] {
  if (address !== undefined && addresses.length > 0)
    throw invalid('addresses', 'address and addresses exclude each other')
  const servers = (address === undefined ? addresses : [address]).map(checkAddress)
  if (servers.length === 0) throw invalid('address', 'consul needs an address')
  const urls = servers.map(({ url }) => url)
  const twice = urls.find((url, at) => urls.indexOf(url) !== at)
  if (twice !== undefined) throw invalid('addresses', 'an address of consul is named twice', twice)
  return servers
}

function checkAddress(address: string): ConsulServer {
  const url = URL.canParse(address) ? new URL(address) : undefined
  const secure = url?.protocol === 'https:'
  if (url === undefined || (!secure && url.protocol !== 'http:')) {
    throw invalid('address', 'the address of consul must be http://host:port or https://host:port', address)
  }
  const { hostname, pathname, search, hash, username, password, origin } = url
  if (username !== '' || password !== '') throw invalid('address', 'the address of consul must carry no credentials')
  if (pathname !== '/' || search !== '' || hash !== '') {
    throw invalid('address', 'the address of consul must have no path', address)
  }
  return { url: origin, secure, host: hostname, port: url.port === '' ? (secure ? 443 : 80) : Number(url.port) }
}

function invalid(option: string, message: string, got?: unknown): MeshError {
  return new MeshError('WEFT_CONFIG_INVALID', message, { fields: got === undefined ? { option } : { option, got } })
}
