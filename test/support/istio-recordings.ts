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

function lines<T>(name: string): T[] {
  const packed = readFileSync(new URL(`../fixtures/istio/${name}`, import.meta.url))
  return gunzipSync(packed)
    .toString()
    .trim()
    .split('\n')
    .map((line): T => JSON.parse(line))
}
