import { MeshError } from '../../../mesh/std/errors.ts'

export interface NomadOptions {
  /** `http://host:port`, `https://host:port`, or `unix:///path/to/api.sock` for the API inside a task. */
  readonly address: string
  /** Region to ask about; that of the agent when left out. */
  readonly region?: string
  /** ACL token or workload identity; excludes `tokenFile`. */
  readonly token?: string
  /** File with the token; read again after every failure, and at least once a minute. */
  readonly tokenFile?: string
  /** PEM files, read again when the token is. Only with an https address. */
  readonly tls?: NomadTls
  /** Most requests open at once besides event streams, 1 to 90; 16 when left out. */
  readonly maxSockets?: number
  /** Limits that tests change; {@link defaultLimits} when left out. */
  readonly limits?: Partial<NomadLimits>
}

interface NomadTls {
  /** Authorities of Nomad's certificate; the system's own when left out. */
  readonly ca?: string
  /** Client certificate; goes with `key`. */
  readonly cert?: string
  readonly key?: string
  /** Name the certificate must have, such as `server.global.nomad`; the address's host when left out. */
  readonly serverName?: string
}

/** How long and how much; milliseconds and bytes. */
export interface NomadLimits {
  /** Status and headers must arrive within this, beyond what the request asks Nomad to wait. */
  readonly answerMs: number
  /** The body must be complete this long after the headers. */
  readonly bodyMs: number
  /** Wait of a blocking query that names none. */
  readonly waitMs: number
  /** Token and TLS files are read again when they were last read longer ago. */
  readonly credentialsMs: number
  /** The first heartbeat of an event stream must arrive within this after the headers. */
  readonly firstHeartbeatMs: number
  /** An event stream that sends nothing for longer is dead: heartbeats come every 30 s. */
  readonly silenceMs: number
  readonly maxAnswerBytes: number
  /** Most that one line of an event stream may have. */
  readonly maxLineBytes: number
}

export const defaultLimits: NomadLimits = {
  // Nomad looks for a leader for 5 s before it says that there is none.
  answerMs: 10_000,
  bodyMs: 30_000,
  waitMs: 60_000,
  credentialsMs: 60_000,
  firstHeartbeatMs: 5_000,
  silenceMs: 35_000,
  maxAnswerBytes: 64 * 1024 * 1024,
  maxLineBytes: 64 * 1024 * 1024,
}

/** {@link NomadOptions}, checked, with every default filled in. */
export interface NomadSettings {
  readonly origin: string
  readonly socketPath: string | undefined
  readonly region: string | undefined
  readonly token: string | undefined
  readonly tokenFile: string | undefined
  readonly tls: NomadTls
  readonly maxSockets: number
  readonly limits: NomadLimits
}

/** Checks the options; throws WEFT_CONFIG_INVALID that names the option. */
export function checkOptions(options: NomadOptions): NomadSettings {
  const { region, token, tokenFile, tls = {}, maxSockets = 16 } = options
  const place = checkAddress(options.address)
  if (token !== undefined && tokenFile !== undefined) {
    throw invalid('tokenFile', 'a token and a token file exclude each other')
  }
  if (!place.origin.startsWith('https:') && Object.keys(tls).length > 0) {
    throw invalid('tls', 'tls files need an https address')
  }
  if ((tls.cert === undefined) !== (tls.key === undefined)) throw invalid('tls', 'a client certificate needs its key')
  // Nomad's own limit for one address is 100 connections, and event streams need some of them.
  if (!Number.isInteger(maxSockets) || maxSockets < 1 || maxSockets > 90) {
    throw invalid('maxSockets', 'the number of open requests must be between 1 and 90', maxSockets)
  }
  return { ...place, region, token, tokenFile, tls, maxSockets, limits: { ...defaultLimits, ...options.limits } }
}

function checkAddress(address: string): { origin: string; socketPath: string | undefined } {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url?.protocol === 'unix:' && url.host === '' && url.pathname.length > 1) {
    return { origin: 'http://localhost', socketPath: decodeURIComponent(url.pathname) }
  }
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw invalid('address', 'the address of nomad must be http://, https:// or unix:///path', address)
  }
  const { pathname, search, hash, username, password } = url
  if (username !== '' || password !== '') throw invalid('address', 'the address of nomad must carry no credentials')
  if (pathname !== '/' || search !== '' || hash !== '') {
    throw invalid('address', 'the address of nomad must have no path', address)
  }
  return { origin: url.origin, socketPath: undefined }
}

function invalid(option: string, message: string, got?: unknown): MeshError {
  return new MeshError('WEFT_CONFIG_INVALID', message, { fields: got === undefined ? { option } : { option, got } })
}
