import type { z } from 'zod'
import { refuseKey, refuseUnimplemented } from './primitives.ts'

/** Rules of a ServiceEntry over several fields, after Istio's ValidateServiceEntry. */

interface Spec {
  readonly hosts: readonly string[]
  readonly addresses?: readonly string[] | undefined
  readonly ports?:
    | readonly { number: number; name: string; protocol?: string | undefined; targetPort?: number | undefined }[]
    | undefined
  readonly resolution?: string | undefined
  readonly endpoints?: readonly { ports?: Readonly<Record<string, number>> | undefined }[] | undefined
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
  if ((spec.resolution ?? 'NONE') === 'NONE') checkNone(spec, context)
}

/**
 * NONE sends a connection on to the address it was made to. With a single address that is the same as having it as the
 * endpoint, which is how Weft does it; with none or several it is not.
 */
function checkNone(spec: Spec, context: z.RefinementCtx): void {
  if ((spec.endpoints?.length ?? 0) > 0) {
    refuseKey(
      context,
      'endpoints',
      'need resolution STATIC, with NONE (the default) connections go where they were made to',
    )
  }
  if (spec.workloadSelector !== undefined) {
    refuseUnimplemented(context, 'with resolution NONE; use STATIC', ['workloadSelector'])
  }
  if (spec.addresses?.length !== 1) {
    refuseUnimplemented(context, 'NONE for a service that has not exactly one address', ['resolution'])
  }
  for (const [index, port] of (spec.ports ?? []).entries()) {
    if (port.targetPort !== undefined && port.targetPort !== port.number) {
      refuseUnimplemented(context, 'another port with resolution NONE', ['ports', index, 'targetPort'])
    }
  }
}

/** Istio cannot tell two hosts of one TCP port apart, and refuses them; so that a file means the same, so do we. */
export function checkHostsFitPorts(spec: Spec, context: z.RefinementCtx): void {
  if (spec.hosts.length < 2 || (spec.resolution ?? 'NONE') === 'NONE') return
  const opaque = (spec.ports ?? []).find(port => !/^(?:http|https|http2|grpc|tls)$/i.test(port.protocol ?? ''))
  if (opaque !== undefined)
    refuseKey(context, 'hosts', `may be several only when every port is HTTP or TLS, ${opaque.name} is not`)
}
