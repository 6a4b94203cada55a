import { didYouMean } from '../mesh/std/did-you-mean.ts'
import { type SettingProblem, type SettingsTree, settingProblems, settingsOf } from '../mesh/std/settings.ts'
import { type AttestorKind, attestorKinds } from './attestor-schema.ts'

type Kinds = typeof attestorKinds

type Widened<T> = T extends string ? string : T extends boolean ? boolean : T extends number ? number : T

/** One attestor of the configuration, checked, with the defaults of its kind filled in; empty texts are not set. */
export type AttestorConfig = {
  readonly [K in keyof Kinds]: { readonly kind: K } & {
    readonly [O in keyof Kinds[K]['options']]: Kinds[K]['options'][O] extends { readonly default: infer D }
      ? Widened<D>
      : never
  }
}[keyof Kinds]

/**
 * Checks the list of attestors. Returns everything that is wrong, each with the path to it below `attestors`; an empty
 * list means that {@link toAttestorConfigs} can be called.
 */
export function attestorProblems(value: unknown): SettingProblem[] {
  if (!Array.isArray(value)) return [{ path: ['attestors'], message: 'attestors must be a list of mappings' }]
  const seen = new Set<string>()
  return value.flatMap((entry: unknown, index) => {
    const path = ['attestors', String(index)]
    if (!isMapping(entry)) return [{ path, message: 'an attestor must be a mapping' }]
    const { kind, ...options } = entry
    if (!isKind(kind)) return [{ path: [...path, 'kind'], message: unknownKind(kind) }]
    const twice = seen.has(kind) ? [{ path: [...path, 'kind'], message: `two attestors are of kind ${kind}` }] : []
    seen.add(kind)
    return [...twice, ...optionProblems(kind, options, path)]
  })
}

function optionProblems(kind: string, options: Readonly<Record<string, unknown>>, path: string[]): SettingProblem[] {
  const all: Readonly<Record<string, AttestorKind>> = attestorKinds
  const { options: tree = {}, required = [], oneOf = [] } = all[kind] ?? {}
  const isGiven = (key: string) => !isUnset(options[key])
  const missing = required.filter(key => !isGiven(key)).map(key => `an attestor of kind ${kind} needs ${key}`)
  const given = oneOf.filter(isGiven)
  const choice = oneOf.length > 0 && given.length !== 1 ? [`exactly one of ${oneOf.join(', ')} must be given`] : []
  return [...settingProblems(options, tree, path), ...[...missing, ...choice].map(message => ({ path, message }))]
}

/** Reads a list without problems. */
export function toAttestorConfigs(value: readonly object[]): readonly AttestorConfig[] {
  return value.map(entry => {
    const { kind } = entry as { kind: AttestorConfig['kind'] }
    const filled: object = { ...defaultsOf(attestorKinds[kind].options), ...entry }
    return filled as AttestorConfig
  })
}

function defaultsOf(options: SettingsTree): Readonly<Record<string, unknown>> {
  return Object.fromEntries(settingsOf(options).map(([path, setting]) => [path[0], setting.default]))
}

function isKind(kind: unknown): kind is AttestorConfig['kind'] {
  return typeof kind === 'string' && Object.hasOwn(attestorKinds, kind)
}

function unknownKind(kind: unknown): string {
  const known = Object.keys(attestorKinds)
  const meant = typeof kind === 'string' ? didYouMean(kind, known) : undefined
  const hint = meant === undefined ? '' : `, did you mean ${meant}?`
  return `the kind of an attestor must be one of ${known.join(', ')}${hint}`
}

function isUnset(value: unknown): boolean {
  return value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
