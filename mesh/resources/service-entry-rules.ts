import type { z } from 'zod'
import { canonicalAddress } from '../std/ip-address.ts'
import { refuseKey, refuseUnimplemented } from './primitives.ts'

/** Rules of a ServiceEntry over several fields, after Istio's ValidateServiceEntry. */

interface Spec {
  readonly hosts: readonly string[]
  readonly addresses?: readonly string[] | undefined
  readonly ports?:
    | readonly { number: number; name: string; protocol?: string | undefined; targetPort?: number | undefined }[]
    | undefined
  readonly resolution?: string | undefined
  readonly endpoints?: readonly { address: string; ports?: Readonly<Record<string, number>> | undefined }[] | undefined
  readonly workloadSelector?: object | undefined
}

/** Endpoints come from one place, and their ports are the service's. */
export function checkResolution(spec: Spec, context: z.RefinementCtx): void {
  if (spec.endpoints !== undefined && spec.workloadSelector !== undefined) {
    refuseKey(context, 'workloadSelector', 'cannot stand beside endpoints, use one of them')
  }
  const names = new Set((spec.ports ?? []).map(port => port.name))
  for (const [index, endpoint] of (spec.endpoints ?? []).entries()) {
    for (const name of Object.keys(endpoint.ports ?? {})) {
      if (names.has(name)) continue
      const path = ['endpoints', index, 'ports', name]
      context.addIssue({ code: 'custom', message: 'is not a port of the service', path, params: { at: 'key' } })
    }
  }
  const { resolution = 'NONE' } = spec
  if (resolution === 'NONE') checkNone(spec, context)
  else if (resolution === 'STATIC') checkStatic(spec, context)
  else if (resolution === 'DYNAMIC_DNS') checkDynamicDns(spec, context)
  else checkDns(spec, context)
}

/** NONE sends a connection on to the address it was made to: there is nothing to choose from, and no other port. */
function checkNone(spec: Spec, context: z.RefinementCtx): void {
  if (spec.endpoints !== undefined) {
    refuseKey(
      context,
      'endpoints',
      'need resolution STATIC, with NONE (the default) connections go where they were made to',
    )
  }
  if (spec.workloadSelector !== undefined) {
    refuseUnimplemented(context, 'with resolution NONE; use STATIC', ['workloadSelector'])
  }
  checkTargetPorts(spec, context)
}

/** Connections go to the port that they were made to. */
function checkTargetPorts({ ports = [], resolution = 'NONE' }: Spec, context: z.RefinementCtx): void {
  for (const [index, port] of ports.entries()) {
    if (port.targetPort === undefined || port.targetPort === port.number) continue
    refuseUnimplemented(context, `another port with resolution ${resolution}`, ['ports', index, 'targetPort'])
  }
}

function checkStatic(spec: Spec, context: z.RefinementCtx): void {
  for (const [index, { address }] of (spec.endpoints ?? []).entries()) {
    if (canonicalAddress(address) !== undefined) continue
    const path = ['endpoints', index, 'address']
    context.addIssue({ code: 'custom', message: 'must be an address with resolution STATIC; DNS takes names', path })
  }
}

/** Each call names the host that is looked up: by wildcards, and only where its protocol has a place for a name. */
function checkDynamicDns(spec: Spec, context: z.RefinementCtx): void {
  if (spec.endpoints !== undefined) refuseKey(context, 'endpoints', 'cannot stand beside resolution DYNAMIC_DNS')
  if (spec.workloadSelector !== undefined) {
    refuseKey(context, 'workloadSelector', 'cannot stand beside resolution DYNAMIC_DNS')
  }
  if ((spec.addresses?.length ?? 0) > 0) {
    refuseKey(context, 'addresses', 'cannot stand beside resolution DYNAMIC_DNS')
  }
  for (const [index, host] of spec.hosts.entries()) {
    if (host.startsWith('*')) continue
    const message = 'must be a wildcard with resolution DYNAMIC_DNS; DNS takes names'
    context.addIssue({ code: 'custom', message, path: ['hosts', index] })
  }
  for (const [index, { protocol = '' }] of (spec.ports ?? []).entries()) {
    if (/^(?:http|http2|https|grpc|tls)$/i.test(protocol)) continue
    const message = 'must be HTTP, HTTP2, GRPC, HTTPS or TLS with resolution DYNAMIC_DNS'
    context.addIssue({ code: 'custom', message, path: ['ports', index, 'protocol'] })
  }
  checkTargetPorts(spec, context)
}

/** DNS asks for the names of the endpoints, and without any for the hosts themselves. */
function checkDns(spec: Spec, context: z.RefinementCtx): void {
  if (spec.resolution === 'DNS_ROUND_ROBIN' && (spec.endpoints?.length ?? 0) > 1) {
    refuseKey(context, 'endpoints', 'must be one with resolution DNS_ROUND_ROBIN')
  }
  for (const [index, address] of (spec.addresses ?? []).entries()) {
    if (!address.includes('/')) continue
    const message = 'must not be a range when names are resolved'
    context.addIssue({ code: 'custom', message, path: ['addresses', index] })
  }
  if ((spec.endpoints?.length ?? 0) > 0) return
  for (const [index, host] of spec.hosts.entries()) {
    if (!host.startsWith('*')) continue
    const message = 'must be a name that can be resolved, as there are no endpoints'
    context.addIssue({ code: 'custom', message, path: ['hosts', index] })
  }
  if (spec.hosts.length > 1 && spec.workloadSelector === undefined) {
    const why = 'several hosts that are each resolved for themselves; write one ServiceEntry for each'
    refuseUnimplemented(context, why, ['hosts'])
  }
}

/** Istio cannot tell two hosts of one TCP port apart, and refuses them; so that a file means the same, so do we. */
export function checkHostsFitPorts(spec: Spec, context: z.RefinementCtx): void {
  if (spec.hosts.length < 2 || (spec.resolution ?? 'NONE') === 'NONE') return
  const named = /^(?:http|https|http2|grpc|grpc-web|http_proxy|tls)$/i
  const opaque = (spec.ports ?? []).find(port => !named.test(port.protocol ?? ''))
  if (opaque !== undefined)
    refuseKey(context, 'hosts', `may be several only when every port is HTTP or TLS, ${opaque.name} is not`)
}
