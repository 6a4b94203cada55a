import { MeshError } from '../../mesh/std/errors.ts'
import { type ConsulInstance, parseInstances } from './answers.ts'
import type { Resource } from './connection.ts'
import type { ConsulSettings } from './options.ts'

/** How the instances of a service are asked for. */
export function serviceResource(name: string, { filter }: ConsulSettings): Resource {
  return { kind: 'service', name, ...(filter !== undefined && { filter }) }
}

/**
 * Reads instances and checks that they are of the namespace and partition that was asked for: a Consul that knows
 * neither gives its all. Throws WEFT_REGISTRY_UNAVAILABLE for others, and for another shape.
 */
export function instancesOf(body: unknown, settings: ConsulSettings): readonly ConsulInstance[] {
  const instances = parseInstances(body)
  const { consulNamespace, partition } = settings
  const wrong = (option: string) =>
    new MeshError('WEFT_REGISTRY_UNAVAILABLE', 'this consul does not know the option that its registry sets', {
      fields: { option },
      next: `leave the option ${option} out: only Consul Enterprise has it`,
    })
  if (instances.some(instance => (consulNamespace ?? instance.namespace) !== instance.namespace))
    throw wrong('consulNamespace')
  if (instances.some(instance => (partition ?? instance.partition) !== instance.partition)) throw wrong('partition')
  return instances
}
