import type { HeaderList } from '../http/stream.ts'

/**
 * What one agent tells another about a request that travels as a stream of its own, in the first fields after the
 * pseudo-headers, in this order. Neither may come from an application: whoever takes requests from one strips them.
 */

/** The port the request is for: `ip:port`, as the authority of a CONNECT has it. */
export const destinationField = 'x-weft-destination'
/** Which workload is calling, for telemetry: baggage text. */
export const sourceField = 'x-weft-source'

/** Whether a field is one of these, whatever its case. */
export function isMeshField(name: string): boolean {
  if (name.length === destinationField.length) return name.toLowerCase() === destinationField
  return name.length === sourceField.length && name.toLowerCase() === sourceField
}

/** What the fields say; undefined where one is missing. */
export interface MeshFields {
  destination: string | undefined
  source: string | undefined
}

/** Takes the fields off a request's head. */
export function takeMeshFields(headers: string[]): MeshFields {
  const at = firstField(headers)
  const fields: MeshFields = { destination: undefined, source: undefined }
  if (headers[at] !== destinationField) return fields
  fields.destination = headers[at + 1]
  const both = headers[at + 2] === sourceField
  if (both) fields.source = headers[at + 3]
  const taken = both ? 4 : 2
  headers.copyWithin(at, at + taken)
  headers.length -= taken
  return fields
}

/** Where the fields begin, behind the pseudo-headers. */
function firstField(headers: HeaderList): number {
  let at = 0
  while (at < headers.length && headers[at]?.charCodeAt(0) === 0x3a) at += 2
  return at
}
