import { MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { ConsulInstance, ConsulNode } from './answers.ts'

/**
 * Consul filters what a token may not read and answers 200 with the rest, so a lost right looks like an empty
 * registry. But Consul is always in its own catalogue: a server registers the service `consul` and its node. An answer
 * without them, where they had been, is not believed: each method throws WEFT_REGISTRY_UNAVAILABLE then. Lists of
 * checks need no such care, as they are only hints.
 */
export interface Rights {
  checkNames(names: ReadonlyMap<string, unknown>): void
  checkNodes(nodes: readonly ConsulNode[]): void
  /** Instances of the service `consul`. */
  checkOwnInstances(instances: readonly ConsulInstance[]): void
}

/** Name under which Consul's servers register themselves. */
export const ownService = 'consul'

/**
 * Remembers what has been seen; a token that could never read `consul` is held only to not losing everything. Where
 * Consul's servers do not register themselves, in a namespace or partition of Enterprise, there may be nothing at first.
 */
export function createRights(log: Log, apart = false): Rights {
  let sawService = false
  let sawAny = !apart
  let warned = false
  return {
    checkNames(names) {
      if (names.has(ownService)) sawService = true
      else if (sawService || (sawAny && names.size === 0)) {
        throw lost("consul's own service is missing among the services")
      } else if (!warned && !apart) {
        warned = true
        log.warn('the token may not read the service consul, so a loss of rights may pass for deregistrations')
      }
      sawAny ||= names.size > 0
    },
    checkNodes(nodes) {
      if (nodes.length === 0 && !apart) throw lost('consul lists no node, not even its own')
    },
    checkOwnInstances(instances) {
      if (sawService && instances.length === 0) throw lost("consul's own service has no instance")
    },
  }
}

/** For a service that is listed and yet has no instance that may be read. */
export function unreadableInstances(service: string): MeshError {
  return lost('a listed service has no instance that may be read', { service })
}

function lost(message: string, fields: Readonly<Record<string, unknown>> = {}): MeshError {
  return new MeshError('WEFT_REGISTRY_UNAVAILABLE', message, {
    fields,
    next: 'check that the token may read all services and nodes: service_prefix "" and node_prefix "" with policy read',
  })
}
