import type { ApiObject } from './kubernetes-state.ts'

/** What a list or watch is narrowed by. */
export interface Selection {
  readonly namespace: string | undefined
  readonly labels: string
  readonly fields: string
}

/** Whether an object belongs to a selection. Throws for a selector that the API server would refuse. */
export function selects(selection: Selection, object: ApiObject): boolean {
  const { namespace, labels, fields } = selection
  if (namespace !== undefined && object.metadata.namespace !== namespace) return false
  const fieldOf = (path: string) => String(path.split('.').reduce<unknown>(stepInto, object) ?? '')
  return (
    requirements(labels).every(one => holds(one, name => object.metadata.labels?.[name])) &&
    requirements(fields).every(one => holds(one, fieldOf))
  )
}

function requirements(selector: string): readonly string[] {
  return selector
    .split(',')
    .map(text => text.trim())
    .filter(text => text !== '')
}

/** `a=b`, `a==b`, `a!=b`, `a` and `!a`. */
function holds(requirement: string, read: (name: string) => string | undefined): boolean {
  const match = /^(!?)([\w./-]+)(?:(==?|!=)([\w.-]*))?$/.exec(requirement)
  if (match === null) throw new Error(`unable to parse requirement: ${requirement}`)
  const [, not, name = '', operator, value = ''] = match
  const held = read(name)
  if (operator === undefined) return (held !== undefined) !== (not === '!')
  return operator === '!=' ? held !== value : held === value
}

function stepInto(value: unknown, step: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, step) : undefined
}
