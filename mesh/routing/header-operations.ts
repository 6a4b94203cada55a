import type { HeaderOperations as HeaderOperationsSpec } from '../model/traffic.ts'
import { removeField, setField } from './header-fields.ts'
import { compileHeaderValue, type FormatInput, formatHeaderValue, type HeaderValue } from './header-format.ts'

/** Prepared operations on the fields of one message: first what goes, then what is set, then what is added. */
export interface HeaderOperations {
  /** Lower case. */
  readonly remove: readonly string[]
  readonly set: readonly NamedValue[]
  readonly add: readonly NamedValue[]
}

interface NamedValue {
  /** Lower case. */
  readonly name: string
  readonly value: HeaderValue
}

/** `host` is not a header to be set: the authority is rewritten. */
const authorityNames = new Set(['host', ':authority'])

/**
 * Prepares the operations of one level, or of several that count as one, the later ones after the earlier. `untouchable`
 * fields stay as they are, whatever is said. Undefined when nothing is left to do.
 */
export function compileOperations(
  levels: readonly (HeaderOperationsSpec | undefined)[],
  untouchable: readonly string[] = [],
): HeaderOperations | undefined {
  const mayChange = (name: string) => !name.startsWith(':') && name !== 'host' && !untouchable.includes(name)
  const values = (part: 'set' | 'add') =>
    levels.flatMap(level =>
      Object.entries(level?.[part] ?? {})
        .map(([name, value]) => ({ name: name.toLowerCase(), value: compileHeaderValue(value) }))
        .filter(({ name }) => mayChange(name)),
    )
  const remove = levels.flatMap(level => level?.remove ?? []).map(name => name.toLowerCase())
  const operations = { remove: remove.filter(mayChange), set: values('set'), add: values('add') }
  const none = operations.remove.length + operations.set.length + operations.add.length === 0
  return none ? undefined : operations
}

/** The authority that operations give a request by setting or adding `host`; empty without one. */
export function authorityOfOperations(operations: HeaderOperationsSpec | undefined): string {
  for (const part of [operations?.set, operations?.add]) {
    const found = Object.entries(part ?? {}).find(([name]) => authorityNames.has(name.toLowerCase()))
    if (found !== undefined) return found[1]
  }
  return ''
}

/**
 * Carries operations out, in place. Values are made from the message as it was after removal; an empty one is neither
 * set nor added.
 */
export function applyOperations(operations: HeaderOperations, headers: string[], input: FormatInput): void {
  const { remove, set, add } = operations
  for (let at = 0; at < remove.length; at += 1) removeField(headers, remove[at] ?? '')
  if (set.length + add.length === 0) return
  const values = valuesOf(operations, input)
  for (let at = 0; at < set.length; at += 1) {
    const value = values === undefined ? literalOf(set[at]) : values[at]
    if (value !== undefined && value !== '') setField(headers, set[at]?.name ?? '', value)
  }
  for (let at = 0; at < add.length; at += 1) {
    const value = values === undefined ? literalOf(add[at]) : values[set.length + at]
    if (value !== undefined && value !== '') headers.push(add[at]?.name ?? '', value)
  }
}

/** All values, before any of them is put anywhere; undefined where none depends on the message. */
function valuesOf({ set, add }: HeaderOperations, input: FormatInput): string[] | undefined {
  if (set.every(isLiteral) && add.every(isLiteral)) return undefined
  return [...set, ...add].map(({ value }) => formatHeaderValue(value, input))
}

function isLiteral({ value }: NamedValue): boolean {
  return value.kind === 'literal'
}

function literalOf(named: NamedValue | undefined): string | undefined {
  return named?.value.kind === 'literal' ? named.value.text : undefined
}
