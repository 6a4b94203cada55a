import { z } from 'zod'
import { didYouMean } from '../std/did-you-mean.ts'
import { checkAnnotation, dryRunAnnotation, permissiveUntilAnnotation, weftAnnotations } from './annotations.ts'
import {
  checkSize,
  dnsLabel,
  dnsSubdomain,
  isIstioKey,
  labels,
  ofKubernetes,
  refuseKey,
  unimplemented,
} from './primitives.ts'

type Of = 'workload' | 'service' | 'policy' | 'mtls-policy' | 'other'

/** Which of `annotations.ts` mean something where. */
const knownAnnotations: Readonly<Record<Of, readonly string[]>> = {
  workload: weftAnnotations,
  policy: [dryRunAnnotation],
  'mtls-policy': [dryRunAnnotation, permissiveUntilAnnotation],
  service: [],
  other: [],
}

/** Annotations of a kind: those of `annotations.ts` that it knows, and any that are neither ours nor Istio's. */
export function annotations(of: Of) {
  const known = knownAnnotations[of]
  return z.record(z.string(), z.string()).superRefine((record, context) => {
    checkSize(context, record)
    for (const [key, value] of Object.entries(record)) {
      if (known.includes(key)) {
        const message = checkAnnotation(key, value)
        if (message !== undefined) context.addIssue({ code: 'custom', message, path: [key] })
      } else if (key === dryRunAnnotation) {
        const message = 'is not implemented: dry runs are of policies, nothing here can be tried without effect'
        refuseKey(context, key, message, { reason: 'unimplemented' })
      } else if (isIstioKey(key)) {
        refuseKey(context, key, 'is not implemented: annotations that steer istio', { reason: 'unimplemented' })
      } else if (key.startsWith('weft.dev/')) {
        const message = 'is not an annotation that weft knows here'
        refuseKey(context, key, message, { reason: 'unknown', suggestion: didYouMean(key, known) })
      }
    }
  })
}

/** Kubernetes' object metadata as far as it means something here. `service`: the name becomes part of a DNS name. */
export function metadata(of: Of) {
  return z.strictObject({
    name: of === 'service' ? dnsLabel : dnsSubdomain,
    namespace: dnsLabel.default('default'),
    labels: labels.optional(),
    annotations: annotations(of).optional(),
    /** RFC 3339; decides which of two policies of one scope is the older. */
    creationTimestamp: z.iso
      .datetime({ offset: true, error: 'must be a time such as 2026-01-31T12:00:00Z' })
      .optional(),
    generateName: unimplemented('generated names; give a name'),
    uid: ofKubernetes(),
    /** As `weft get` has read it: sent back, a newer one is not overwritten. */
    resourceVersion: z
      .string()
      .regex(/^[1-9]\d{0,15}$/, { error: 'must be a version as weft get -o yaml shows it' })
      .optional(),
    generation: ofKubernetes(),
    selfLink: ofKubernetes(),
    managedFields: ofKubernetes(),
    deletionTimestamp: ofKubernetes(),
    deletionGracePeriodSeconds: ofKubernetes(),
    ownerReferences: unimplemented('owners'),
    finalizers: unimplemented('finalizers'),
  })
}
