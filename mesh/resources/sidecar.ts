import { z } from 'zod'
import { connectionPool } from './connection-pool.ts'
import { metadata } from './metadata.ts'
import { ofKubernetes, portNumber, refuseUnimplemented, selectorLabels, unimplemented } from './primitives.ts'
import { portProtocol } from './service-entry-values.ts'
import { isLabel, isWildcardDomain } from './traffic-names.ts'
import { networkingVersions } from './workload-entry.ts'

const hostEntry = z.string().superRefine((text, context) => {
  const message = hostProblem(text)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

const egress = z.strictObject({
  port: z
    .strictObject({
      number: portNumber,
      /** For people; empty is as good as left out. */
      name: z
        .string()
        .refine(text => text === '' || isLabel(text), 'must be 1 to 63 letters, digits and dashes')
        .optional(),
      protocol: portProtocol.optional(),
    })
    .optional(),
  hosts: z.array(hostEntry).min(1),
  /** Interception is the only way callers meet the mesh. */
  captureMode: z
    .enum(['DEFAULT', 'IPTABLES', 'NONE'])
    .superRefine((mode, context) => {
      if (mode === 'NONE') refuseUnimplemented(context, 'listeners that callers connect to themselves')
    })
    .optional(),
  bind: unimplemented('listeners that callers connect to themselves'),
})

const outboundTrafficPolicy = z.strictObject({
  mode: z.enum(['REGISTRY_ONLY', 'ALLOW_ANY']).optional(),
  egressProxy: unimplemented('sending unknown traffic through a proxy'),
})

const sidecarSpec = z
  .strictObject({
    workloadSelector: z.strictObject({ labels: selectorLabels.optional() }).optional(),
    /** What callers see; the first listener whose port is asked for counts, one without a port is for the rest. */
    egress: z.array(egress).superRefine(checkListeners).optional(),
    outboundTrafficPolicy: outboundTrafficPolicy.optional(),
    inboundConnectionPool: connectionPool.optional(),
    ingress: unimplemented('listeners for calls from outside; ports of services are open'),
  })
  .superRefine((spec, context) => {
    if (Object.hasOwn(spec, 'ingress') || (spec.egress?.length ?? 0) > 0) return
    if (spec.outboundTrafficPolicy !== undefined || spec.inboundConnectionPool !== undefined) return
    const message = 'needs one of egress, outboundTrafficPolicy and inboundConnectionPool'
    context.addIssue({ code: 'custom', message, params: { at: 'key' } })
  })

/** Istio's Sidecar: what the callers of a namespace, or some of them, see of the mesh. */
export const sidecar = z.strictObject({
  apiVersion: z.enum(networkingVersions),
  kind: z.literal('Sidecar'),
  metadata: metadata('other'),
  spec: sidecarSpec,
  status: ofKubernetes(),
})

export type Sidecar = z.infer<typeof sidecar>

/** `<namespace>/<host>`, after Istio's validateNamespaceSlashWildcardHostname; a `~` in front takes away. */
function hostProblem(text: string): string | undefined {
  const slash = text.indexOf('/')
  const namespace = text.slice(0, Math.max(slash, 0)).replace(/^~(?=.)/, '')
  if (slash === -1 || !(['*', '.', '~'].includes(namespace) || isLabel(namespace)) || text.startsWith('~~')) {
    return 'must be <namespace>/<host>, with a namespace, . * or ~'
  }
  const host = text.slice(slash + 1)
  if (host === '*') return undefined
  if (!host.includes('.')) return 'must name the host in full, or *'
  if (!isWildcardDomain(host) || (host.startsWith('*') && !host.startsWith('*.'))) {
    return 'must be <namespace>/<host>, with a DNS name whose first label may be *'
  }
  return undefined
}

function checkListeners(listeners: readonly z.infer<typeof egress>[], context: z.RefinementCtx): void {
  const seen = new Set<number>()
  for (const [index, { port }] of listeners.entries()) {
    if (port === undefined && index < listeners.length - 1) {
      context.addIssue({ code: 'custom', message: 'has no port, only the last may have none', path: [index] })
    }
    if (port === undefined) continue
    if (seen.has(port.number)) {
      const path = [index, 'port', 'number']
      context.addIssue({ code: 'custom', message: `${port.number} is the port of an earlier one`, path })
    }
    seen.add(port.number)
  }
}
