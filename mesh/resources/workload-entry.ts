import { z } from 'zod'
import { canonicalAddress } from '../std/ip-address.ts'
import { metadata } from './metadata.ts'
import {
  labels,
  lineOfText,
  locality,
  ofKubernetes,
  portName,
  portNumber,
  refuseUnimplemented,
  serviceAccount,
} from './primitives.ts'
import { serviceEndpointAddress } from './service-entry-values.ts'

/** API versions under which Istio's networking kinds are written; all mean the same. */
export const networkingVersions = [
  'networking.istio.io/v1',
  'networking.istio.io/v1beta1',
  'networking.istio.io/v1alpha3',
] as const

/** Istio's WorkloadEntry: one workload, alone or as an inline endpoint of a ServiceEntry. */
export const workloadEntrySpec = z.strictObject({
  /** A name is looked up by the hosts that call the services that choose it. */
  address: serviceEndpointAddress,
  /** Port name of a service to the port on this workload; wins over the service's targetPort. */
  ports: z
    .record(portName, portNumber)
    .refine(ports => Object.keys(ports).length <= 128, 'has more than 128 ports')
    .optional(),
  labels: labels.optional(),
  /** Empty is none. Endpoints of other networks are called directly all the same: it is for `failoverPriority` and subsets. */
  network: lineOfText.optional(),
  locality: locality.optional(),
  /** Relative share of traffic; 0 is the same as leaving it out, as in Istio. */
  weight: z.int().min(0).max(4_294_967_295).optional(),
  serviceAccount: serviceAccount.optional(),
})

export const workloadEntry = z
  .strictObject({
    apiVersion: z.enum(networkingVersions),
    kind: z.literal('WorkloadEntry'),
    metadata: metadata('workload'),
    spec: workloadEntrySpec,
    status: ofKubernetes(),
  })
  .superRefine(({ metadata, spec }, context) => {
    // What is called by name is outside the mesh: nobody shall believe that it has to prove itself.
    const node = metadata.annotations?.['weft.dev/node']
    if (node === undefined || canonicalAddress(spec.address) !== undefined) return
    refuseUnimplemented(context, 'workloads of the mesh by name; give an address', ['spec', 'address'])
  })

export type WorkloadEntry = z.infer<typeof workloadEntry>
