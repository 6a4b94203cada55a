import type { Caller, Table } from '../table.ts'
import { zoneKey } from './zone-shares.ts'

/**
 * How many callers like this one there are in each place: the healthy endpoints of the services that it is an endpoint of
 * itself, which is what Envoy calls the local cluster. Undefined where it is of none that this host knows.
 */
export function callersByZone(table: Table, { services }: Caller): ReadonlyMap<string, number> | undefined {
  if (services.length === 0) return undefined
  const seen = new Set<string>()
  const callers = new Map<string, number>()
  for (const { service } of table.services.values()) {
    if (!services.includes(`${service.namespace}/${service.name}`)) continue
    for (const { id, health, locality } of service.endpoints) {
      if (health !== 'healthy' || seen.has(id)) continue
      seen.add(id)
      const place = zoneKey(locality)
      callers.set(place, (callers.get(place) ?? 0) + 1)
    }
  }
  return callers.size === 0 ? undefined : callers
}
