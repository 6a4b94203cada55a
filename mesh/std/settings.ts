import { didYouMean } from './did-you-mean.ts'

/**
 * The shape of a process's configuration, shared by server and agent: a tree whose leaves describe one setting each.
 * The leaves are at the same time what convict takes as its schema.
 */
export interface Setting {
  /** One sentence for the reference page. */
  readonly doc: string
  readonly default: unknown
  /** What convict checks the final value with. */
  readonly format: unknown
  /** Type of a list's items. */
  readonly items?: 'string' | 'number'
  /** Environment variable that overrides the file. */
  readonly env: string
  /** Command-line flag, without dashes, that overrides both. */
  readonly arg?: string
}

export interface SettingsTree {
  readonly [key: string]: Setting | SettingsTree
}

/** Something wrong at one key; `path` leads to it. */
export interface SettingProblem {
  readonly path: readonly string[]
  readonly message: string
}

/** True for a leaf of the tree. */
export function isSetting(node: Setting | SettingsTree | undefined): node is Setting {
  return node !== undefined && typeof node.doc === 'string' && 'default' in node
}

/** Every leaf with its path, in the tree's order. */
export function settingsOf(
  tree: SettingsTree,
  path: readonly string[] = [],
): readonly (readonly [string[], Setting])[] {
  return Object.entries(tree).flatMap(([key, node]): (readonly [string[], Setting])[] =>
    isSetting(node) ? [[[...path, key], node]] : [...settingsOf(node, [...path, key])],
  )
}

/**
 * Compares a parsed document with the tree: unknown keys, with the word that was probably meant, and values of another
 * type than the setting's. An empty list means that it can be loaded.
 */
export function settingProblems(value: unknown, tree: SettingsTree, path: readonly string[] = []): SettingProblem[] {
  if (value === null || value === undefined) return []
  if (typeof value !== 'object' || Array.isArray(value)) return [{ path, message: 'must be a mapping' }]
  return Object.entries(value).flatMap(([key, child]): SettingProblem[] => {
    const node = Object.hasOwn(tree, key) ? tree[key] : undefined
    const here = [...path, key]
    if (node === undefined) return [{ path: here, message: unknownKey(here, tree) }]
    if (!isSetting(node)) return settingProblems(child, node, here)
    const expected = typeName(node)
    return typeOf(child, node) === expected ? [] : [{ path: here, message: `${here.join('.')} must be ${expected}` }]
  })
}

/**
 * Reads a setting from text (an environment variable or a flag): numbers and booleans strictly, lists by commas.
 * Undefined when the text is not of the setting's type.
 */
export function settingFromText(setting: Setting, text: string): unknown {
  if (Array.isArray(setting.default)) {
    const items = text === '' ? [] : text.split(',').map(item => item.trim())
    if (setting.items !== 'number') return items
    const numbers = items.map(numberFromText)
    return numbers.includes(undefined) ? undefined : numbers
  }
  if (typeof setting.default === 'number') return numberFromText(text)
  if (typeof setting.default === 'boolean') return text === 'true' ? true : text === 'false' ? false : undefined
  return text
}

/** What the setting must be, in words. */
export function typeName(setting: Setting): string {
  if (Array.isArray(setting.default)) return `a list of ${setting.items ?? 'string'}s`
  if (typeof setting.default === 'boolean') return 'true or false'
  return typeof setting.default === 'object' ? 'a mapping' : `a ${typeof setting.default}`
}

function typeOf(value: unknown, setting: Setting): string {
  if (Array.isArray(value)) {
    const items = setting.items ?? 'string'
    return value.every(item => typeof item === items) ? `a list of ${items}s` : 'a mixed list'
  }
  if (typeof value === 'boolean') return 'true or false'
  if (typeof value === 'object') return value === null ? 'nothing' : 'a mapping'
  return `a ${typeof value}`
}

function numberFromText(text: string): number | undefined {
  return /^-?\d{1,15}$/.test(text) ? Number(text) : undefined
}

function unknownKey(path: readonly string[], siblings: SettingsTree): string {
  const meant = didYouMean(path.at(-1) ?? '', Object.keys(siblings))
  const hint = meant === undefined ? '' : `, did you mean ${meant}?`
  return `unknown key ${path.join('.')}${hint}`
}
