import { isDeepStrictEqual } from 'node:util'
import { emptySnapshot, type RegistryProblem, type RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { type Service, serviceKey } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { changedKeys, type Table, tableOf } from '../../mesh/std/table.ts'
import { firstLine, quoted } from '../quoted.ts'
import { describeThrown } from './describe-thrown.ts'
import { problemShape, serviceShape, workloadShape } from './model-shapes.ts'
import type { Shape } from './shape.ts'

/** A view that may be used, or why none can be made of what was yielded. */
export type CheckedView =
  | { readonly kind: 'good'; readonly snapshot: RegistrySnapshot }
  | { readonly kind: 'bad'; readonly reason: string }

/** Most problems that a plugin may tell of itself. */
const maxProblems = 1000

/**
 * Makes views of what a plugin yields, whatever that is: an item of another shape than it should have, or under another
 * key than its own, is left out by name; all others are copied, so that nothing a plugin does later reaches them. The
 * function returned looks only at what differs from the view before, and gives the same snapshot when nothing does.
 */
export function createViewCheck(): (view: unknown) => CheckedView {
  const services = createItemCheck<Service>('service', serviceShape, serviceKey)
  const workloads = createItemCheck<Workload>('workload', workloadShape, workload => workload.id)
  let last: RegistrySnapshot = emptySnapshot

  const read = (view: object): CheckedView => {
    const parts = { services: part(view, 'services'), workloads: part(view, 'workloads') }
    const odd = Object.entries(parts).find(([, table]) => !isTable(table))
    if (!isTable(parts.services) || !isTable(parts.workloads)) {
      return bad(
        `its ${odd?.[0]} are no table of this server: make them with toolkit.tableOf or toolkit.registrySnapshot`,
      )
    }
    const said = problemsOf(part(view, 'problems'))
    const tables = { services: services.take(parts.services), workloads: workloads.take(parts.workloads) }
    const all = [...said, ...workloads.problems, ...services.problems]
    const problems = isDeepStrictEqual(all, last.problems) ? last.problems : all
    const same = tables.services === last.services && tables.workloads === last.workloads && problems === last.problems
    if (!same) last = { ...tables, problems }
    return { kind: 'good', snapshot: last }
  }
  return view => {
    if (typeof view !== 'object' || view === null)
      return bad('it is no view, which has services, workloads and problems')
    try {
      return read(view)
    } catch (error) {
      // a getter or a proxy of the plugin's
      return bad(`it cannot be looked at: ${describeThrown(error)}`)
    }
  }
}

interface ItemCheck<T> {
  take(said: Table<unknown>): Table<T>
  readonly problems: readonly RegistryProblem[]
}

function createItemCheck<T>(kind: string, shape: Shape<T>, keyOf: (item: T) => string): ItemCheck<T> {
  let seen: Table<unknown> = tableOf()
  let good: Table<T> = tableOf()
  let problems: Table<RegistryProblem> = tableOf()
  let listed: readonly RegistryProblem[] | undefined = []

  const judge = (key: string, value: unknown): readonly [T | undefined, RegistryProblem | undefined] => {
    if (value === undefined) return [undefined, undefined]
    const item = `${kind} ${/^[\w./:-]{1,200}$/.test(key) ? key : quoted(key)}`
    const notes: string[] = []
    try {
      const made = shape(value, '', notes)
      const own = keyOf(made)
      if (own !== key) return [undefined, { item, reason: `it calls itself ${quoted(own)}, it must be listed as that` }]
      return [made, notes.length === 0 ? undefined : { item, reason: `it ${notes.join(', and ')}` }]
    } catch (error) {
      return [undefined, { item, reason: describeThrown(error) }]
    }
  }
  return {
    take(said) {
      const judged = changedKeys(seen, said).map(key => [key, judge(String(key), said.get(key))] as const)
      // what says the same stays the same object
      good = good.with(
        judged.map(([key, [made]]) => [key, isDeepStrictEqual(made, good.get(key)) ? good.get(key) : made]),
      )
      const complaints = problems.with(judged.map(([key, [, problem]]) => [key, problem]))
      if (complaints !== problems) listed = undefined
      problems = complaints
      seen = said
      return good
    },
    get problems() {
      listed ??= [...problems.values()]
      return listed
    },
  }
}

function problemsOf(value: unknown): readonly RegistryProblem[] {
  if (!Array.isArray(value)) return [{ item: 'problems', reason: 'it must be a list of item and reason' }]
  return value.slice(0, maxProblems).map((one: unknown, index): RegistryProblem => {
    try {
      const { item, reason } = problemShape(one, '', [])
      return { item: firstLine(item), reason: firstLine(reason) }
    } catch (error) {
      return { item: `problems[${index}]`, reason: describeThrown(error) }
    }
  })
}

const tablePrototype: unknown = Object.getPrototypeOf(tableOf())

/** True for a table made by this server's own `tableOf`: only those are known not to change any more. */
function isTable(value: unknown): value is Table<unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === tablePrototype
}

function part(view: object, name: string): unknown {
  return Reflect.get(view, name)
}

function bad(reason: string): CheckedView {
  return { kind: 'bad', reason }
}
