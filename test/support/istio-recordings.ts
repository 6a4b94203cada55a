import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

/** One document and what Istio says of it; see `test/fixtures/istio/README.md`. */
export interface ValidationCase {
  readonly id: string
  readonly kind: string
  readonly yaml: string
  readonly verdict: 'valid' | 'warning' | 'invalid'
  readonly crd: 'accept' | 'reject' | null
}

export interface PeerAuthenticationCase {
  readonly id: string
  readonly policies: readonly string[]
  readonly rootNamespace: string
  readonly workload: {
    readonly namespace: string
    readonly labels: Readonly<Record<string, string>>
    readonly ports: readonly number[]
  }
  readonly result: {
    readonly default: string
    readonly perPort: Readonly<Record<string, string>>
    readonly ports: Readonly<Record<string, string>>
  }
}

export function validationCases(): ValidationCase[] {
  return lines('validation.jsonl.gz')
}

export function peerAuthenticationCases(): PeerAuthenticationCase[] {
  return lines('peerauth.jsonl.gz')
}

/** Operations on host names; which fields there are depends on `op`. */
export type HostMatchCase = { readonly id: string } & (
  | {
      readonly op: 'pair'
      readonly a: string
      readonly b: string
      readonly matches: boolean
      readonly aSubsetOfB: boolean
      readonly bSubsetOfA: boolean
      readonly aMoreSpecific: boolean
    }
  | {
      readonly op: 'mostSpecific'
      readonly list: readonly string[]
      readonly host: string
      readonly match: string | null
    }
  | { readonly op: 'sort'; readonly list: readonly string[]; readonly sorted: readonly string[] }
  | {
      readonly op: 'intersection'
      readonly left: readonly string[]
      readonly right: readonly string[]
      readonly intersection: readonly string[]
    }
  | {
      readonly op: 'forNamespace'
      readonly list: readonly string[]
      readonly namespace: string
      readonly names: readonly string[]
    }
  | {
      readonly op: 'shortname'
      readonly host: string
      readonly namespace: string
      readonly domain: string
      readonly fqdn: string
    }
)

export function hostMatchCases(): HostMatchCase[] {
  return lines('hostmatch.jsonl.gz')
}

/** What selection and effective settings are computed from: configs are YAML documents. */
export interface RecordedWorld {
  readonly services: readonly {
    readonly hostname: string
    readonly namespace: string
    readonly address: string
    readonly exportTo?: readonly string[]
    readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: string }[]
  }[]
  readonly configs: readonly string[]
  readonly client: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> }
  readonly rootNamespace: string
}

export interface RecordedRoutes {
  readonly virtualHost: string | null
  readonly virtualServices: readonly string[]
  readonly routes: readonly {
    readonly cluster?: string
    readonly name?: string
    readonly virtualService: string | null
  }[]
}

export type SelectionCase = RecordedWorld & { readonly id: string } & (
    | {
        readonly type: 'destinationRule'
        readonly host: string
        readonly result: {
          readonly from: readonly string[]
          readonly host?: string
          readonly subsets?: readonly string[]
          readonly serviceVisible: boolean
          readonly policy?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
        }
      }
    | {
        readonly type: 'virtualService' | 'gatewayVirtualService'
        readonly authority: string
        readonly port: number
        readonly result: RecordedRoutes
      }
  )

export function selectionCases(): SelectionCase[] {
  return lines('selection.jsonl.gz')
}

function lines<T>(name: string): T[] {
  const packed = readFileSync(new URL(`../fixtures/istio/${name}`, import.meta.url))
  return gunzipSync(packed)
    .toString()
    .trim()
    .split('\n')
    .map((line): T => JSON.parse(line))
}
