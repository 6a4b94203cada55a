import { z } from 'zod'
import { parseDefaultEndpoint } from '../routing/ingress.ts'
import { connectionPool } from './connection-pool.ts'
import { metadata } from './metadata.ts'
import {
  ofKubernetes,
  portNumber,
  refuseKey,
  refuseUnimplemented,
  selectorLabels,
  unimplemented,
} from './primitives.ts'
import { serverTls } from './server-tls.ts'
import { portProtocol } from './service-entry-values.ts'
import { isAddress, isLabel, isWildcardDomain } from './traffic-names.ts'
import { networkingVersions } from './workload-entry.ts'

const hostEntry = z.string().superRefine((text, context) => {
  const message = hostProblem(text)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

const listenerPort = z.strictObject({
  number: portNumber,
  /** For people; empty is as good as left out. */
  name: z
    .string()
    .refine(text => text === '' || isLabel(text), 'must be 1 to 63 letters, digits and dashes')
    .optional(),
  protocol: portProtocol.optional(),
})

const captureMode = z.enum(['DEFAULT', 'IPTABLES', 'NONE'])

const loopback = /^(?:127(?:\.\d+){3}|::1)$/

/** With NONE callers connect to a listener on loopback themselves; else they are intercepted. */
const egress = z
  .strictObject({
    port: listenerPort.optional(),
    hosts: z.array(hostEntry).min(1),
    captureMode: captureMode.optional(),
    bind: z
      .string()
      .superRefine((text, context) => {
        if (text === '' || loopback.test(text)) return
        if (text.startsWith('unix://')) return refuseUnimplemented(context, 'listeners that are unix sockets')
        if (isAddress(text)) return refuseUnimplemented(context, 'listeners of other addresses than loopback')
        context.addIssue({ code: 'custom', message: 'must be an IPv4 or IPv6 address' })
      })
      .optional(),
  })
  .superRefine(({ port, captureMode: mode, bind }, context) => {
    const say = (key: string, what: string) => refuseUnimplemented(context, what, [key])
    if (mode !== 'NONE') {
      if (bind) say('bind', 'addresses of intercepted callers; use captureMode NONE')
      return
    }
    if (port === undefined) return say('captureMode', 'listeners without a port; name one')
    if (!isRequests(port.protocol)) say('captureMode', 'listeners for bytes; use protocol HTTP, HTTP2 or GRPC')
  })

/** Without a word requests are meant: bytes say not where they are to go. */
function isRequests(protocol: string | undefined): boolean {
  return /^(?:http|http2|grpc|grpc-web|)$/i.test(protocol ?? '')
}

const ingress = z
  .strictObject({
    port: listenerPort,
    defaultEndpoint: z
      .string()
      .superRefine((text, context) => {
        if (text === '' || parseDefaultEndpoint(text) !== undefined) return
        if (/^unix:\/\/@./.test(text))
          return refuseUnimplemented(context, 'abstract unix sockets; give one with a path')
        const message = 'must be 127.0.0.1:<port>, [::1]:<port>, 0.0.0.0:<port>, :<port> or unix:///<path>'
        context.addIssue({ code: 'custom', message })
      })
      .optional(),
    captureMode: captureMode
      .superRefine((mode, context) => {
        if (mode === 'NONE') refuseUnimplemented(context, 'ports that the agent opens in place of the workload')
      })
      .optional(),
    /** Any address, or the workload's own: its host's agent refuses others. */
    bind: z
      .string()
      .refine(text => text === '' || isAddress(text), 'must be an IPv4 or IPv6 address')
      .optional(),
    connectionPool: connectionPool.optional(),
    tls: serverTls.optional(),
  })
  .superRefine(({ port, tls }, context) => {
    if (tls === undefined || /^(?:https|tls)$/i.test(port.protocol ?? '')) return
    refuseKey(context, 'tls', 'is for ports whose protocol is HTTPS or TLS')
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
    /** Where calls of the workload's ports are delivered, when not at the ports themselves. */
    ingress: z.array(ingress).superRefine(checkPorts).optional(),
  })
  .superRefine((spec, context) => {
    if ((spec.ingress?.length ?? 0) > 0 || (spec.egress?.length ?? 0) > 0) return
    if (spec.outboundTrafficPolicy !== undefined || spec.inboundConnectionPool !== undefined) return
    const message = 'needs one of ingress, egress, outboundTrafficPolicy and inboundConnectionPool'
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
  for (const [index, { port }] of listeners.entries()) {
    if (port === undefined && index < listeners.length - 1) {
      context.addIssue({ code: 'custom', message: 'has no port, only the last may have none', path: [index] })
    }
  }
  checkPorts(listeners, context)
}

function checkPorts(
  listeners: readonly { readonly port?: { readonly number: number } | undefined }[],
  context: z.RefinementCtx,
): void {
  const seen = new Set<number>()
  for (const [index, { port }] of listeners.entries()) {
    if (port === undefined) continue
    if (seen.has(port.number)) {
      const path = [index, 'port', 'number']
      context.addIssue({ code: 'custom', message: `${port.number} is the port of an earlier one`, path })
    }
    seen.add(port.number)
  }
}
