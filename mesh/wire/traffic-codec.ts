import type { TrafficResource } from '../model/traffic-resource.ts'
import { destinationRule } from './destination-rule-shape.ts'
import { type Fields, malformed } from './fields.ts'
import { meshSettings, sidecar } from './mesh-settings-shape.ts'
import { trafficKindNames, wordsByName } from './resource-enums.ts'
import type { Shape } from './shape.ts'
import { virtualService } from './virtual-service-shape.ts'

/** The longest spec, in bytes: as much as a file of resources may have (`mesh/resources/limits.ts`). */
const maxSpecBytes = 1 << 20
const kinds = wordsByName(trafficKindNames)

/** A traffic resource as protobuf's plain object. */
export function plainTraffic({ resource, namespace, name, createdAt, spec }: TrafficResource): object {
  return { kind: trafficKindNames[resource], namespace, name, createdAt, spec: Buffer.from(canonicalJson(spec)) }
}

/**
 * Reads and checks a traffic resource. What is in it was judged by the server; here it only has to be what the types
 * say, with nothing that this version does not know. Throws WEFT_WIRE.
 */
export function readTraffic(fields: Fields): TrafficResource {
  const resource = fields.choice('kind', kinds)
  const common = {
    kind: 'traffic' as const,
    namespace: fields.name('namespace'),
    name: fields.name('name'),
    createdAt: fields.integer('createdAt'),
  }
  switch (resource) {
    case 'VirtualService':
      return { ...common, resource, spec: specOf(fields, virtualService) }
    case 'DestinationRule':
      return { ...common, resource, spec: specOf(fields, destinationRule) }
    case 'Sidecar':
      return { ...common, resource, spec: specOf(fields, sidecar) }
    case 'MeshSettings':
      return { ...common, resource, spec: specOf(fields, meshSettings) }
  }
}

function specOf<Spec>(fields: Fields, shape: Shape<Spec>): Spec {
  const path = `${fields.path}.spec`
  const raw = parse(fields.bytes('spec', maxSpecBytes), path)
  if (!shape(raw, path)) throw malformed(path, 'is not of its kind')
  return raw
}

function parse(bytes: Buffer, path: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw malformed(path, 'is not JSON', cause)
  }
}

/** The same value as the same text: keys in order, nothing for what is undefined. */
function canonicalJson(value: object): string {
  return JSON.stringify(value, (_, one: unknown) => {
    if (typeof one !== 'object' || one === null || Array.isArray(one)) return one
    return Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}
