/** Fields whose keys are data: only their values have a shape. */
const dataKeyed = new Set([
  'Attributes',
  'Config',
  'Details',
  'Drivers',
  'HostNetworks',
  'HostVolumes',
  'Meta',
  'NodesAvailable',
  'Scores',
  'TaskLifecycles',
  'TaskResources',
  'TaskStates',
  'Tasks',
])

/**
 * How a value differs in shape from recorded examples of the same thing: a field that none of them has, one that all of
 * them have and it lacks, and a value of another type. Empty when it could be one of them.
 */
export function misfits(value: unknown, examples: readonly unknown[], path = ''): readonly string[] {
  if (Array.isArray(value)) {
    const lists = examples.filter(one => Array.isArray(one))
    if (lists.length === 0) return [`${path} is a list, recorded are ${kindsOf(examples)}`]
    const items = lists.flat()
    return items.length === 0 ? [] : value.flatMap(item => misfits(item, items, `${path}[]`))
  }
  if (!isObject(value)) {
    return kindsOf(examples).includes(kindOf(value))
      ? []
      : [`${path} is ${kindOf(value)}, recorded are ${kindsOf(examples)}`]
  }
  const objects = examples.filter(isObject)
  if (objects.length === 0) return [`${path} is an object, recorded are ${kindsOf(examples)}`]
  if (dataKeyed.has(path.split('.').at(-1) ?? '')) {
    const values = objects.flatMap(one => Object.values(one))
    return values.length === 0
      ? []
      : Object.entries(value).flatMap(([key, one]) => misfits(one, values, `${path}.<${key}>`))
  }
  const missing = Object.keys(objects[0] ?? {}).filter(key => !(key in value) && objects.every(one => key in one))
  return [
    ...missing.map(key => `${path}.${key} is missing`),
    ...Object.entries(value).flatMap(([key, one]) => {
      const known = objects.filter(each => key in each).map(each => each[key])
      return known.length === 0 ? [`${path}.${key} was never recorded`] : misfits(one, known, `${path}.${key}`)
    }),
  ]
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value
}

function kindsOf(values: readonly unknown[]): readonly string[] {
  return [...new Set(values.map(kindOf))]
}
