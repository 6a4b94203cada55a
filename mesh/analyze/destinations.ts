import type { DestinationRef } from '../model/traffic.ts'
import type { VirtualService } from '../resources/virtual-service.ts'

/** A place that a VirtualService sends requests or connections to, and where it says so. */
export interface NamedDestination {
  readonly destination: DestinationRef
  readonly path: readonly (string | number)[]
}

/** Everything that a VirtualService names as a destination, in the order it is written. */
export function destinationsOf({ spec }: VirtualService): NamedDestination[] {
  const http = (spec.http ?? []).flatMap((rule, index) => {
    const path = ['spec', 'http', index]
    const mirror = rule.mirror === undefined ? [] : [{ destination: rule.mirror, path: [...path, 'mirror'] }]
    const mirrors = (rule.mirrors ?? []).map(({ destination }, at) => {
      return { destination, path: [...path, 'mirrors', at, 'destination'] }
    })
    return [...routed(rule.route, path), ...mirror, ...mirrors]
  })
  const l4 = (['tls', 'tcp'] as const).flatMap(list => {
    return (spec[list] ?? []).flatMap((rule, index) => routed(rule.route, ['spec', list, index]))
  })
  return [...http, ...l4]
}

function routed(
  route: readonly { readonly destination: DestinationRef }[] | undefined,
  path: readonly (string | number)[],
): NamedDestination[] {
  return (route ?? []).map(({ destination }, at) => ({ destination, path: [...path, 'route', at, 'destination'] }))
}
