import { z } from 'zod'
import { annotations, metadata } from './metadata.ts'
import { labels, ofKubernetes, unimplemented } from './primitives.ts'
import { checkMethod, readinessProbe } from './readiness-probe.ts'
import { networkingVersions, workloadEntrySpec } from './workload-entry.ts'

/**
 * Istio's WorkloadGroup: what the WorkloadEntries that name it in `weft.dev/group` have in common. An entry's own
 * fields win over the template's; labels and annotations are joined.
 */
export const workloadGroup = z.strictObject({
  apiVersion: z.enum(networkingVersions),
  kind: z.literal('WorkloadGroup'),
  metadata: metadata('other'),
  spec: z
    .strictObject({
      metadata: z
        .strictObject({ labels: labels.optional(), annotations: annotations('workload').optional() })
        .optional(),
      template: workloadEntrySpec.extend({ address: unimplemented('one address for all workloads of a group') }),
      /** Run by the agents of the workloads' hosts. */
      probe: readinessProbe.optional(),
    })
    .superRefine(({ metadata, probe }, context) => {
      if (probe !== undefined) checkMethod(probe, metadata?.annotations?.['weft.dev/health-unit'], context)
    }),
  status: ofKubernetes(),
})

export type WorkloadGroup = z.infer<typeof workloadGroup>
