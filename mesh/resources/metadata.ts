import { z } from 'zod'
import { didYouMean } from '../std/did-you-mean.ts'
import { checkAnnotation, weftAnnotations } from './annotations.ts'
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

/** Annotations of a kind that knows none of ours, or (for workloads) those of `annotations.ts`. */
export function annotations(of: 'workload' | 'other') {
  const known = of === 'workload' ? weftAnnotations : []
  return z.record(z.string(), z.string()).superRefine((record, context) => {
    checkSize(context, record)
    for (const [key, value] of Object.entries(record)) {
      if (isIstioKey(key)) {
        refuseKey(context, key, 'is not implemented: annotations that steer istio', { reason: 'unimplemented' })
      } else if (key.startsWith('weft.dev/')) {
        const message = checkAnnotation(known, key, value)
        const suggestion = known.includes(key) ? undefined : didYouMean(key, known)
        if (message !== undefined && !known.includes(key)) {
          refuseKey(context, key, message, { reason: 'unknown', suggestion })
        } else if (message !== undefined) {
          context.addIssue({ code: 'custom', message, path: [key] })
        }
      }
    }
  })
}

/** Kubernetes' object metadata as far as it means something here. `service`: the name becomes part of a DNS name. */
export function metadata(of: 'workload' | 'service' | 'other') {
  return z.strictObject({
    name: of === 'service' ? dnsLabel : dnsSubdomain,
    namespace: dnsLabel.default('default'),
    labels: labels.optional(),
    annotations: annotations(of === 'workload' ? 'workload' : 'other').optional(),
    /** RFC 3339; decides which of two policies of one scope is the older. */
    creationTimestamp: z.iso
      .datetime({ offset: true, error: 'must be a time such as 2026-01-31T12:00:00Z' })
      .optional(),
    generateName: unimplemented('generated names; give a name'),
    uid: ofKubernetes(),
    resourceVersion: ofKubernetes(),
    generation: ofKubernetes(),
    selfLink: ofKubernetes(),
    managedFields: ofKubernetes(),
    deletionTimestamp: ofKubernetes(),
    deletionGracePeriodSeconds: ofKubernetes(),
    ownerReferences: unimplemented('owners'),
    finalizers: unimplemented('finalizers'),
  })
}
