import type { TrafficResource } from '../model/traffic-resource.ts'
import { destinationRule } from './destination-rule-shape.ts'
import type { Fields } from './fields.ts'
import { meshSettings, sidecar } from './mesh-settings-shape.ts'
import { trafficKindNames, wordsByName } from './resource-enums.ts'
import { plainSpec, readSpec } from './spec-json.ts'
import { virtualService } from './virtual-service-shape.ts'

const kinds = wordsByName(trafficKindNames)

/** A traffic resource as protobuf's plain object. */
export function plainTraffic({ resource, namespace, name, createdAt, spec }: TrafficResource): object {
  return { kind: trafficKindNames[resource], namespace, name, createdAt, spec: plainSpec(spec) }
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
      return { ...common, resource, spec: readSpec(fields, virtualService) }
    case 'DestinationRule':
      return { ...common, resource, spec: readSpec(fields, destinationRule) }
    case 'Sidecar':
      return { ...common, resource, spec: readSpec(fields, sidecar) }
    case 'MeshSettings':
      return { ...common, resource, spec: readSpec(fields, meshSettings) }
  }
}
