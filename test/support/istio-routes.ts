import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

/**
 * Requests that were sent through the configuration Istio makes, and what became of them (`routes.jsonl.gz`; its fields
 * are in `test/fixtures/istio/README.md`), and the comparison with what was observed elsewhere: computed, or seen through
 * a running agent.
 */

export type Pair = readonly [name: string, value: string]

export type RecordedCluster =
  | { readonly host: string; readonly subset: string | null; readonly port: number }
  | { readonly name: string }

export interface RecordedUpstream {
  readonly method: string
  readonly path: string
  readonly host: string
  /** Pairs that were not in the request in the same form. */
  readonly headers: readonly Pair[]
  /** Names of the request that did not arrive. */
  readonly removed?: readonly string[]
}

export interface UpstreamBehaviour {
  readonly status?: number
  readonly headers?: readonly Pair[]
  readonly body?: string
  /** Seconds. */
  readonly delay?: number
  readonly reset?: boolean
}

export interface RouteCase {
  readonly id: string
  readonly set: string
  readonly topic: string
  /** YAML documents, the oldest first. */
  readonly resources: readonly string[]
  readonly services: readonly { readonly host: string; readonly ports: readonly number[]; readonly address: string }[]
  /** YAML of the MeshConfig. */
  readonly mesh: string | null
  readonly proxy: { readonly type: 'sidecar' | 'gateway' }
  readonly client: {
    readonly namespace: string
    readonly labels: Readonly<Record<string, string>>
    readonly ip: string
  }
  readonly request: {
    readonly method: string
    readonly port: number
    readonly path: string
    readonly headers: readonly Pair[]
    readonly body?: string
  }
  /** What the upstream does, try by try, the last entry repeating. */
  readonly upstreamBehaviour?: readonly UpstreamBehaviour[]
  readonly result: {
    readonly status?: number | null
    readonly cluster?: RecordedCluster | null
    readonly upstream?: RecordedUpstream | null
    readonly attempts?: number
    readonly response?: {
      readonly headers?: readonly Pair[]
      readonly removed?: readonly string[]
      readonly body?: string
    } | null
    readonly shadows?: readonly (RecordedUpstream & { readonly cluster: RecordedCluster })[]
    readonly weights?: readonly { readonly cluster: RecordedCluster; readonly weight: number }[]
    readonly observed?: readonly { readonly cluster: RecordedCluster | null; readonly count: number }[]
    readonly elapsedMs?: number
  }
}

/** A request as it came to an upstream: all of its headers, `host` among them, names in any case. */
export interface ObservedRequest {
  readonly cluster: RecordedCluster
  readonly method: string
  readonly path: string
  readonly headers: readonly Pair[]
}

/** What is to be compared; parts left out are not. */
export interface Observed {
  readonly status?: number | null
  /** Null when no upstream was asked. */
  readonly upstream?: ObservedRequest | null
  readonly response?: {
    readonly headers: readonly Pair[]
    /** Only of replies that the proxy made itself. */
    readonly body?: string
  }
  readonly shadows?: readonly ObservedRequest[]
  readonly weights?: readonly { readonly cluster: RecordedCluster; readonly weight: number }[]
  /** Clusters that came up when the request was repeated; null for requests that no upstream got. */
  readonly drawn?: readonly (RecordedCluster | null)[]
  /** Tries that the upstream saw. */
  readonly attempts?: number
  /** From the request to the response: less than recorded differs, but for what the recording is rounded by. */
  readonly elapsedMs?: number
}

export interface CompareOptions {
  /** Names of headers, lower case, that are not looked at. */
  readonly ignoredHeaders: ReadonlySet<string>
}

/** The recorded cases; those of gateways are Istio's own and left out here, by this one rule. */
export function sidecarRouteCases(): readonly RouteCase[] {
  return lines<RouteCase>('routes.jsonl.gz').filter(({ proxy }) => proxy.type === 'sidecar')
}

/** Sets of resources that Istio refuses, or makes no listener of. */
export function rejectedRouteSets(): readonly {
  readonly set: string
  readonly resources: readonly string[]
  readonly reason: string
}[] {
  return lines('rejected-routes.jsonl.gz')
}

/** What differs between the recording and the observation, one line each, `part: expected …, got …`. */
export function routeDifferences(
  { request, upstreamBehaviour, result }: RouteCase,
  observed: Observed,
  options: CompareOptions,
): readonly string[] {
  const found: string[] = []
  const compare = (part: string, expected: unknown, got: unknown) => {
    const [left, right] = [JSON.stringify(expected), JSON.stringify(got)]
    if (left !== right) found.push(`${part}: expected ${left}, got ${right}`)
  }
  const { ignoredHeaders } = options
  if (observed.status !== undefined) compare('status', result.status, observed.status)
  if (observed.upstream !== undefined) {
    compare('cluster', clusterText(result.cluster), clusterText(observed.upstream?.cluster))
    if (result.upstream !== undefined && result.upstream !== null && observed.upstream !== null) {
      const expected = recordedForm(result.upstream, ignoredHeaders)
      compare('upstream', expected, observedForm(observed.upstream, request.headers, expected.headers, ignoredHeaders))
    }
  }
  if (observed.response !== undefined && result.response !== undefined && result.response !== null) {
    const sent = result.upstream === null ? [] : (upstreamBehaviour?.at(-1)?.headers ?? [])
    const expected = sorted(result.response.headers ?? [], ignoredHeaders)
    const text = ([name, value]: Pair) => `${name.toLowerCase()}: ${value}`
    // a reply of the proxy, after a try that broke off, has a type of its own
    const answer = plainAnswer.filter(pair => !expected.includes(text(pair)))
    const sentByUpstream = result.upstream === null ? [] : [...sent, ...answer]
    const got = sorted(without(observed.response.headers, sentByUpstream), ignoredHeaders)
    compare('response headers', expected, placeholders(got, expected))
    const { body } = observed.response
    if (body !== undefined && request.method !== 'HEAD') compare('body', result.response.body, body)
  }
  if (observed.shadows !== undefined && result.shadows !== undefined) {
    const shadows = result.shadows.map(shadow => ({ ...shadow, ...recordedForm(shadow, ignoredHeaders) }))
    const expected = shadows.map(({ cluster, method, path, host, headers }) => ({
      ...{ cluster: clusterText(cluster), method, path, host, headers },
    }))
    const got = observed.shadows.map(shadow => {
      const like = expected.find(({ cluster }) => cluster === clusterText(shadow.cluster))?.headers ?? []
      const { method, path, host, headers } = observedForm(shadow, request.headers, like, ignoredHeaders)
      return { cluster: clusterText(shadow.cluster), method, path, host, headers }
    })
    const byCluster = (a: { cluster: string }, b: { cluster: string }) => (a.cluster < b.cluster ? -1 : 1)
    compare('shadows', expected.sort(byCluster), got.sort(byCluster))
  }
  if (observed.weights !== undefined && result.weights !== undefined) {
    const text = ({ cluster, weight }: { cluster: RecordedCluster; weight: number }) =>
      `${clusterText(cluster)} ${weight}`
    compare('weights', result.weights.map(text).sort(), observed.weights.map(text).sort())
  }
  if (observed.attempts !== undefined && result.attempts !== undefined) {
    compare('attempts', result.attempts, observed.attempts)
  }
  if (observed.elapsedMs !== undefined && result.elapsedMs !== undefined) {
    const least = result.elapsedMs - roundedByMs
    if (observed.elapsedMs < least) found.push(`elapsedMs: expected at least ${least}, got ${observed.elapsedMs}`)
  }
  if (observed.drawn !== undefined && result.observed !== undefined) {
    compare(
      'drawn',
      result.observed.map(({ cluster }) => clusterText(cluster)).sort(),
      observed.drawn.map(clusterText).sort(),
    )
  }
  return found
}

const roundedByMs = 100

/** What the recorded upstream says of itself. */
const plainAnswer: readonly Pair[] = [
  ['content-type', 'text/plain'],
  ['content-length', '2'],
]

function clusterText(cluster: RecordedCluster | null | undefined): string {
  if (cluster === null || cluster === undefined) return 'none'
  return 'name' in cluster ? cluster.name : `${cluster.host}/${cluster.subset ?? ''}/${cluster.port}`
}

interface RequestForm {
  readonly method: string
  readonly path: string
  readonly host: string
  readonly headers: readonly string[]
  readonly removed: readonly string[]
}

function recordedForm(upstream: RecordedUpstream, ignored: ReadonlySet<string>): RequestForm {
  const { method, path, host, headers, removed = [] } = upstream
  const names = removed.filter(name => !ignored.has(name)).sort()
  return { method, path, host, headers: sorted(headers, ignored), removed: names }
}

/** As the recording says it: what was not in the request in the same form, and what is missing. */
function observedForm(
  upstream: ObservedRequest,
  sent: readonly Pair[],
  like: readonly string[],
  ignored: ReadonlySet<string>,
): RequestForm {
  const { method, path, headers } = upstream
  const arrived = headers.map(([name]) => name.toLowerCase())
  const gone = new Set(sent.map(([name]) => name.toLowerCase()).filter(name => !arrived.includes(name)))
  return {
    method,
    path,
    host: headers.find(([name]) => name.toLowerCase() === 'host')?.[1] ?? '',
    headers: placeholders(sorted(without(headers, sent), ignored), like),
    removed: [...gone].filter(name => !ignored.has(name)).sort(),
  }
}

function without(headers: readonly Pair[], known: readonly Pair[]): readonly Pair[] {
  const text = ([name, value]: Pair) => `${name.toLowerCase()}: ${value}`
  const texts = new Set(known.map(text))
  return headers.filter(pair => !texts.has(text(pair)))
}

function sorted(headers: readonly Pair[], ignored: ReadonlySet<string>): readonly string[] {
  const kept = headers.filter(([name]) => !ignored.has(name.toLowerCase()))
  return kept.map(([name, value]) => `${name.toLowerCase()}: ${value}`).sort()
}

/** Values that no two runs have alike are taken as they were recorded: `<uuid>`, `<ms>`. */
function placeholders(got: readonly string[], recorded: readonly string[]): readonly string[] {
  const names = new Map(
    recorded.filter(line => /: <[a-z-]+>$/.test(line)).map(line => [line.slice(0, line.indexOf(':')), line]),
  )
  return got.map(line => names.get(line.slice(0, line.indexOf(':'))) ?? line)
}

function lines<T>(name: string): T[] {
  const packed = readFileSync(new URL(`../fixtures/istio/${name}`, import.meta.url))
  return gunzipSync(packed)
    .toString()
    .trim()
    .split('\n')
    .map((line): T => JSON.parse(line))
}
