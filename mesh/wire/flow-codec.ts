import type { SeenFlow } from '../flows/flow.ts'
import { type Fields, maxNameLength } from './fields.ts'

const maxMethod = 32

/** A flow as it travels, and as it is kept on disk. */
export function plainFlow({ protocol, ...flow }: SeenFlow): object {
  return { ...flow, http: protocol === 'http' }
}

/** Reads and checks a flow. Throws WEFT_WIRE. */
export function readFlow(fields: Fields): SeenFlow {
  return {
    caller: fields.text('caller', maxNameLength),
    network: fields.text('network', maxNameLength),
    workload: fields.name('workload'),
    service: fields.text('service', maxNameLength),
    port: fields.port('port'),
    protocol: fields.flag('http') ? 'http' : 'tcp',
    method: fields.text('method', maxMethod),
    path: fields.text('path', maxNameLength),
    principal: fields.text('principal', maxNameLength),
    allowed: fields.flag('allowed'),
    count: fields.integer('count'),
    firstSeen: fields.integer('firstSeen'),
    lastSeen: fields.integer('lastSeen'),
  }
}
