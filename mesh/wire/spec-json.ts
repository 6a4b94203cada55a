import { type Fields, malformed } from './fields.ts'
import type { Shape } from './shape.ts'

/** The longest spec, in bytes: as much as a file of resources may have (`mesh/resources/limits.ts`). */
const maxSpecBytes = 1 << 20

/** An operator's spec as it travels, UTF-8: the same value as the same text, keys in order, nothing for what is undefined. */
export function plainSpec(spec: object): Buffer {
  const text = JSON.stringify(spec, (_, one: unknown) => {
    if (typeof one !== 'object' || one === null || Array.isArray(one)) return one
    return Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
  return Buffer.from(text)
}

/** Reads the field `spec` and holds it to its shape. Throws WEFT_WIRE with the path of what is not of it. */
export function readSpec<Spec>(fields: Fields, shape: Shape<Spec>): Spec {
  const path = `${fields.path}.spec`
  const raw = parse(fields.bytes('spec', maxSpecBytes), path)
  if (!shape(raw, path)) throw malformed(path, 'is not of its kind')
  return raw
}

/** The field `spec` as it is, whatever is in it. Throws WEFT_WIRE when it is no object. */
export function rawSpec(fields: Fields): object {
  const path = `${fields.path}.spec`
  const raw = parse(fields.bytes('spec', maxSpecBytes), path)
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw malformed(path, 'is not an object')
  return raw
}

function parse(bytes: Buffer, path: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw malformed(path, 'is not JSON', cause)
  }
}
