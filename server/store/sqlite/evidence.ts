import { MeshError } from '../../../mesh/std/errors.ts'
import type { NodeEvidence } from '../store.ts'
import type { Row } from './row.ts'

/** The evidence of a node's row, as an object to spread: empty for a node that joined with a token. */
export function evidenceOf(row: Row): { readonly evidence?: NodeEvidence } {
  const text = row.evidence
  if (text === null || text === undefined) return {}
  const value: unknown = typeof text === 'string' ? parse(text) : undefined
  if (typeof value !== 'object' || value === null) throw unexpected()
  const { kind, grade, instance, claims, at } = { ...empty, ...value }
  if (typeof kind !== 'string' || typeof instance !== 'string' || !isNumber(grade) || !isNumber(at)) throw unexpected()
  if (!isTexts(claims)) throw unexpected()
  return { evidence: Object.freeze({ kind, grade, instance, claims: Object.freeze({ ...claims }), at }) }
}

type Unread = Readonly<Record<keyof NodeEvidence, unknown>>
const empty: Unread = { kind: undefined, grade: undefined, instance: undefined, claims: undefined, at: undefined }

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number'
}

function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  return typeof value === 'object' && value !== null && Object.values(value).every(text => typeof text === 'string')
}

function unexpected(): MeshError {
  return new MeshError('WEFT_STORE', 'store holds an unexpected value', { fields: { column: 'evidence' } })
}
