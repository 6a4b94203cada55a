import { z } from 'zod'
import { isSubsetOf } from '../routing/hosts.ts'
import { canonicalAddress } from '../std/ip-address.ts'
import { gatewayNames, isWildcardDomain } from './traffic-names.ts'
import { checkWeights, chosenLabels, count, destination, matchedPort } from './traffic-values.ts'

/** An address or a range of them. */
export const subnet = z.string().refine(isSubnet, 'must be an address or a range such as 10.0.0.0/8')

const l4Match = {
  destinationSubnets: z.array(subnet).optional(),
  port: matchedPort.optional(),
  sourceLabels: chosenLabels.optional(),
  sourceNamespace: z.string().optional(),
  gateways: gatewayNames.optional(),
}

const route = z.array(z.strictObject({ destination, weight: count.optional() })).min(1)

/** Istio's TCPRoute: connections to choose and where they go. */
export const tcpRoute = z
  .strictObject({
    match: z
      .array(
        z.strictObject({
          ...l4Match,
          /** Has no effect, as in Istio. */
          sourceSubnet: z.string().optional(),
        }),
      )
      .optional(),
    route,
  })
  .superRefine(({ route }, context) => checkWeights(route, context))

/** Istio's TLSRoute: the same for connections that say in the clear which name they want. */
export const tlsRoute = z
  .strictObject({
    match: z.array(z.strictObject({ ...l4Match, sniHosts: z.array(z.string()).min(1) })).min(1),
    route,
  })
  .superRefine(({ route }, context) => checkWeights(route, context))

/** What is wrong with a name of TLS that a VirtualService for `hosts` chooses; undefined when nothing is. */
export function sniProblem(name: string, hosts: readonly string[]): string | undefined {
  const inner = /^outbound_\.(\d+)_\.([^.]*)_\.(.+)$/.exec(name)
  if (name.startsWith('outbound_.') && inner === null) return 'is no name that istio makes for gateways'
  if (inner === null && !isWildcardDomain(name)) return 'must be a DNS name, whose first label may begin with *'
  const fits = hosts.some(host => isSubsetOf(name, host))
  return fits ? undefined : 'is not one of the hosts of this VirtualService'
}

function isSubnet(text: string): boolean {
  const [ip = '', prefix, ...rest] = text.split('/')
  const version = canonicalAddress(ip)
  if (version === undefined || rest.length > 0) return false
  if (prefix === undefined) return true
  return /^(?:0|[1-9]\d{0,2})$/.test(prefix) && Number(prefix) <= (version.includes(':') ? 128 : 32)
}
