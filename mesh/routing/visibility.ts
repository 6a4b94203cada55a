import type { Config } from '../model/traffic.ts'

type Labels = Readonly<Record<string, string>>

/**
 * The namespaces that an `exportTo` list names, with `.` as the namespace of its resource. Empty stays empty: nothing was
 * said, which is not the same as `*` where two resources are compared.
 */
export function exportSet(exportTo: readonly string[] | undefined, namespace: string): ReadonlySet<string> {
  return new Set((exportTo ?? []).map(entry => (entry === '.' ? namespace : entry)))
}

/** True where a namespace sees what is exported so. */
export function isExportedTo(exports: ReadonlySet<string>, namespace: string): boolean {
  return exports.size === 0 || exports.has('*') || exports.has(namespace)
}

/** True where `labels` carry all of the selector's; a selector without labels selects everything. */
export function selectsLabels(selector: Labels | undefined, labels: Labels): boolean {
  return Object.entries(selector ?? {}).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)
}

type Dated = Pick<Config<unknown>, 'createdAt' | 'name' | 'namespace'>

/** Orders the older first; at the same time by name, then by namespace. */
export function byAge(a: Dated, b: Dated): number {
  return a.createdAt - b.createdAt || compare(a.name, b.name) || compare(a.namespace, b.namespace)
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
