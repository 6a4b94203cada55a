import { z } from 'zod'
import { isDryRun, permissiveUntilAnnotation } from './annotations.ts'
import { metadata } from './metadata.ts'
import { ofKubernetes, portNumber, selectorLabels } from './primitives.ts'

/** API versions under which Istio's security kinds are written; both mean the same. */
export const securityVersions = ['security.istio.io/v1', 'security.istio.io/v1beta1'] as const

const mutualTls = z.strictObject({
  /** UNSET, or nothing, inherits from the wider scope. */
  mode: z.enum(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT']).optional(),
})

const portKey = z.string().refine(isPortKey, 'must be a port from 1 to 65535')

/** Istio's PeerAuthentication: what plaintext may do at workloads; evaluated in `mesh/policy/`. */
export const peerAuthentication = z
  .strictObject({
    apiVersion: z.enum(securityVersions),
    kind: z.literal('PeerAuthentication'),
    metadata: metadata('mtls-policy'),
    spec: z
      .strictObject({
        selector: z.strictObject({ matchLabels: selectorLabels.optional() }).optional(),
        mtls: mutualTls.optional(),
        /** By port of the workload, not of a service. */
        portLevelMtls: z.record(portKey, mutualTls).optional(),
      })
      .superRefine((spec, context) => {
        if (spec.portLevelMtls === undefined) return
        const say = (message: string) =>
          context.addIssue({ code: 'custom', message, path: ['portLevelMtls'], params: { at: 'key' } })
        if (Object.keys(spec.portLevelMtls).length === 0) say('is empty, name at least one port or leave it out')
        if (Object.keys(spec.selector?.matchLabels ?? {}).length === 0) {
          say('needs a selector with labels: modes of single ports are for workloads, not for namespaces')
        }
      })
      .default({}),
    status: ofKubernetes(),
  })
  .superRefine(({ metadata: { annotations = {} }, spec }, context) => {
    if (!Object.hasOwn(annotations, permissiveUntilAnnotation)) return
    const modes = [spec.mtls, ...Object.values(spec.portLevelMtls ?? {})].map(mtls => mtls?.mode)
    if (modes.includes('PERMISSIVE') && !isDryRun({ annotations })) return
    const message = isDryRun({ annotations })
      ? 'means nothing in a dry run'
      : 'means nothing here: no mode of the policy is PERMISSIVE'
    context.addIssue({ code: 'custom', message, path: ['metadata', 'annotations', permissiveUntilAnnotation] })
  })

export type PeerAuthentication = z.infer<typeof peerAuthentication>

function isPortKey(text: string): boolean {
  return /^[1-9]\d{0,4}$/.test(text) && portNumber.safeParse(Number(text)).success
}
