import { hostsRegistry } from '../../mesh/wire/registration.ts'
import { resourcesRegistry } from '../placement.ts'
import type { Claim } from './merge.ts'

/**
 * The claims on one service with what hosts registered made part of what operators declared: those workloads are chosen
 * by the operators' own ServiceEntry, so no rule between registries is about them. Without a ServiceEntry (any more)
 * they are endpoints of nothing.
 */
export function withHostClaims(claims: readonly Claim[]): readonly Claim[] {
  const hosts = claims.filter(({ registry }) => registry === hostsRegistry)
  if (hosts.length === 0) return claims
  const registered = hosts.flatMap(({ service }) => service.endpoints)
  return claims.flatMap(({ registry, service }): Claim[] => {
    if (registry === hostsRegistry) return []
    if (registry !== resourcesRegistry) return [{ registry, service }]
    return [{ registry, service: { ...service, endpoints: [...service.endpoints, ...registered] } }]
  })
}
