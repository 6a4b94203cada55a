import { z } from 'zod'
import { hostsOverlap } from '../routing/hosts.ts'
import { metadata } from './metadata.ts'
import { ofKubernetes, refuseKey } from './primitives.ts'
import { checkExportTo, gatewayNames, isAddress, isWildcardDomain } from './traffic-names.ts'
import { httpRoute } from './virtual-service-http.ts'
import { sniProblem, tcpRoute, tlsRoute } from './virtual-service-l4.ts'
import { networkingVersions } from './workload-entry.ts'

/** Most names of one VirtualService: each is compared with all others. */
const maxHosts = 1024

const host = z
  .string()
  .refine(text => isWildcardDomain(text) || isAddress(text), 'must be a DNS name, whose first label may begin with *')

const virtualServiceFields = z.strictObject({
  /** Names that callers use; a short one belongs to the namespace of the VirtualService. None: others delegate to it. */
  hosts: z.array(host).max(maxHosts).optional(),
  /** `mesh` (also when left out) are all callers inside; other gateways are known to Istio only. */
  gateways: gatewayNames.optional(),
  http: z.array(httpRoute).optional(),
  tls: z.array(tlsRoute).optional(),
  tcp: z.array(tcpRoute).optional(),
  exportTo: z.array(z.string()).optional(),
})

const virtualServiceSpec = virtualServiceFields.superRefine((spec, context) => {
  const { hosts = [], gateways = [], http = [], tls = [], tcp = [] } = spec
  if (hosts.length === 0) checkDelegate(spec, context)
  if (http.length + tls.length + tcp.length === 0) {
    context.addIssue({ code: 'custom', message: 'needs one of http, tls and tcp', params: { at: 'key' } })
  }
  if (hosts.includes('*') && (gateways.length === 0 || gateways.includes('mesh'))) {
    refuseKey(context, 'hosts', 'cannot be * for callers in the mesh, name the services')
  }
  checkHostsApart(hosts, context)
  for (const [route, { match }] of tls.entries()) {
    for (const [at, { sniHosts }] of match.entries()) {
      for (const [index, name] of sniHosts.entries()) {
        const message = sniProblem(name, hosts)
        const path = ['tls', route, 'match', at, 'sniHosts', index]
        if (message !== undefined) context.addIssue({ code: 'custom', message, path })
      }
    }
  }
})

/** Istio's VirtualService: how calls of hosts are routed. */
export const virtualService = z
  .strictObject({
    apiVersion: z.enum(networkingVersions),
    kind: z.literal('VirtualService'),
    metadata: metadata('other'),
    spec: virtualServiceSpec,
    status: ofKubernetes(),
  })
  .superRefine(({ metadata, spec }, context) => checkExportTo(spec.exportTo, metadata.namespace, context))

export type VirtualService = z.infer<typeof virtualService>

/** Without hosts others delegate to it: it has rules for requests alone, which do not delegate further. */
function checkDelegate(spec: z.infer<typeof virtualServiceFields>, context: z.RefinementCtx): void {
  for (const key of ['gateways', 'tls', 'tcp'] as const) {
    if ((spec[key]?.length ?? 0) > 0)
      refuseKey(context, key, 'needs hosts: without them others delegate here, by http only')
  }
  for (const [index, { delegate }] of (spec.http ?? []).entries()) {
    if (delegate === undefined) continue
    const message = 'needs hosts: without them others delegate here, and that goes no further; write the rules here'
    context.addIssue({ code: 'custom', message, path: ['http', index, 'delegate'], params: { at: 'key' } })
  }
}

/** Two hosts of one VirtualService must not stand for the same name. */
function checkHostsApart(hosts: readonly string[], context: z.RefinementCtx): void {
  for (const [index, host] of hosts.entries()) {
    const other = hosts.slice(0, index).find(earlier => hostsOverlap(earlier, host))
    if (other === undefined) continue
    const message = other === host ? `names ${host} twice` : `${host} and ${other} stand for the same names`
    context.addIssue({ code: 'custom', message, path: ['hosts', index] })
  }
}
