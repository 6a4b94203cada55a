import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'

/** One request as it came in. */
export interface FakeNomadRequest {
  /** `/v1/…` without its query. */
  readonly path: string
  /** The path's parts, decoded. */
  readonly parts: readonly string[]
  readonly query: URLSearchParams
  readonly namespace: string
  /** 0 for a read that does not block. */
  readonly index: number
  readonly waitMs: number
  readonly stale: boolean
  readonly token: string | undefined
  /** SHA-256 fingerprint of the client's certificate. */
  readonly certificate: string | undefined
  /** Whether the client takes gzip. */
  readonly gzip: boolean
}

/** The longest that Nomad holds a query, which is also what it does unasked. */
const maxWaitMs = 300_000

/** Reads a request; a text is what Nomad answers with 400 to one that is wrong. */
export function readRequest(incoming: IncomingMessage): FakeNomadRequest | string {
  const url = new URL(incoming.url ?? '/', 'http://nomad')
  const query = url.searchParams
  const index = query.get('index') ?? '0'
  if (!/^\d+$/.test(index)) return url.pathname === '/v1/event/stream' ? badStreamIndex(index) : 'Invalid index'
  const waitMs = millisecondsOf(query.get('wait') ?? '5m')
  if (waitMs === undefined) return 'Invalid wait time'
  const stale = query.get('stale')
  if (stale !== null && !['', 'true', 'false'].includes(stale)) {
    return 'Expect `true` or `false` for `stale` query string parameter'
  }
  const { authorization, 'x-nomad-token': token } = incoming.headers
  return {
    path: url.pathname,
    parts: url.pathname.slice(1).split('/').map(decodeURIComponent),
    query,
    namespace: query.get('namespace') ?? 'default',
    index: Number(index),
    waitMs: Math.min(waitMs === 0 ? maxWaitMs : waitMs, maxWaitMs),
    stale: stale !== null && stale !== 'false',
    token: typeof token === 'string' ? token : authorization?.replace(/^Bearer /, ''),
    certificate: incoming.socket instanceof TLSSocket ? incoming.socket.getPeerCertificate().fingerprint256 : undefined,
    gzip: String(incoming.headers['accept-encoding'] ?? '').includes('gzip'),
  }
}

function badStreamIndex(index: string): string {
  return `Unable to parse index: strconv.Atoi: parsing "${index}": invalid syntax`
}

/** A Go duration of hours, minutes, seconds and milliseconds. */
function millisecondsOf(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|h|m|s))+$/.test(text)) return undefined
  let sum = 0
  for (const [, count = '0', unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)) {
    sum += Number(count) * (unit === 'ms' ? 1 : unit === 's' ? 1000 : unit === 'm' ? 60_000 : 3_600_000)
  }
  return sum
}
