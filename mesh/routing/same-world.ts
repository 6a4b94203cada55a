import { isDeepStrictEqual } from 'node:util'
import type { RoutableService, RoutingWorld } from './world.ts'

/** Whether two worlds decide all routing alike. Services are compared in their order; another order is another world. */
export function isSameWorld(a: RoutingWorld, b: RoutingWorld): boolean {
  if (a === b) return true
  return (
    a.domain === b.domain &&
    a.services.length === b.services.length &&
    a.services.every((service, index) => isSameService(service, b.services[index])) &&
    isDeepStrictEqual(a.traffic, b.traffic)
  )
}

/** By hand: there are thousands of services, and they are compared whenever an endpoint comes or goes. */
function isSameService(a: RoutableService, b: RoutableService | undefined): boolean {
  if (a === b) return true
  return (
    b !== undefined &&
    a.namespace === b.namespace &&
    a.name === b.name &&
    isSameList(a.hosts, b.hosts) &&
    isSameList(a.addresses, b.addresses) &&
    (a.exportTo === undefined) === (b.exportTo === undefined) &&
    isSameList(a.exportTo ?? [], b.exportTo ?? []) &&
    a.ports.length === b.ports.length &&
    a.ports.every((port, index) => isSamePort(port, b.ports[index]))
  )
}

type Port = RoutableService['ports'][number]

function isSamePort(a: Port, b: Port | undefined): boolean {
  return a.port === b?.port && a.name === b.name && a.protocol === b.protocol
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index])
}
