import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { parse } from 'yaml'
import type {
  AuthorizationPolicySpec,
  Policy,
  PolicyConfig,
  RequestAuthenticationSpec,
} from '../../mesh/model/policy.ts'

/** A request with a token that was sent through the configuration Istio makes; see `test/fixtures/istio/README.md`. */
export interface TokenCase {
  readonly id: string
  readonly set: string
  readonly topic: string
  /** YAML documents, the oldest first. */
  readonly policies: readonly string[]
  readonly workload: {
    readonly namespace: string
    readonly labels: Readonly<Record<string, string>>
    readonly ip: string
    readonly port: number
  }
  readonly peer: { readonly principal: string | null; readonly sourceIp: string; readonly sni: string | null }
  readonly request: { readonly method: string; readonly path: string; readonly headers: readonly Pair[] }
  readonly result: {
    readonly allow: boolean
    readonly status: number
    readonly upstream: null | {
      readonly path: string
      /** Pairs that were not in the request in the same form. */
      readonly headers: readonly Pair[]
      /** Names of the request that did not arrive. */
      readonly removed?: readonly string[]
    }
    readonly response: { readonly headers: readonly Pair[]; readonly body?: string }
  }
}

type Pair = readonly [name: string, value: string]

export function tokenCases(): readonly TokenCase[] {
  const file = new URL('../fixtures/istio/jwt.jsonl.gz', import.meta.url)
  const lines = gunzipSync(readFileSync(file)).toString().trim().split('\n')
  return lines.map((line): TokenCase => JSON.parse(line))
}

/** Documents as policies are evaluated, the oldest first, a second apart. Istio has accepted them. */
export function policyConfig(documents: readonly string[], rootNamespace = 'istio-system'): PolicyConfig {
  const authorization: Policy<AuthorizationPolicySpec>[] = []
  const requestAuthentication: Policy<RequestAuthenticationSpec>[] = []
  for (const [index, text] of documents.entries()) {
    const { kind, metadata, spec } = parse(text)
    const { namespace, name, annotations } = metadata
    const dryRun = annotations?.['istio.io/dry-run'] === 'true'
    const policy = { namespace, name, createdAt: index * 1000, dryRun, spec }
    if (kind === 'AuthorizationPolicy') authorization.push(policy)
    else if (kind === 'RequestAuthentication') requestAuthentication.push(policy)
    else throw new Error(`${kind} is no policy`)
  }
  return {
    rootNamespace,
    trustDomain: 'cluster.local',
    trustDomainAliases: [],
    authorization,
    requestAuthentication,
    unreadable: [],
  }
}
