import { z } from 'zod'
import { metadata } from './metadata.ts'
import { ofKubernetes, portName, portNumber, selectorLabels } from './primitives.ts'
import { checkHostsFitPorts, checkResolution } from './service-entry-rules.ts'
import { address, exportTo, host, portProtocol, resolution, serviceEndpointAddress } from './service-entry-values.ts'
import { networkingVersions, workloadEntrySpec } from './workload-entry.ts'

const servicePort = z.strictObject({
  /** The port callers use. */
  number: portNumber,
  name: portName,
  protocol: portProtocol.optional(),
  /** The port on the endpoints, where it is another. */
  targetPort: portNumber.optional(),
})

const inlineEndpoint = workloadEntrySpec.extend({ address: serviceEndpointAddress })

/** Istio's ServiceEntry: a service and where it runs. */
export const serviceEntrySpec = z
  .strictObject({
    hosts: z.array(host).min(1).max(256),
    addresses: z.array(address).max(256).optional(),
    ports: z.array(servicePort).max(256).superRefine(checkUnique).optional(),
    /** Outside the mesh when left out, as in Istio. */
    location: z.enum(['MESH_EXTERNAL', 'MESH_INTERNAL']).optional(),
    /** NONE when left out, as in Istio. */
    resolution: resolution.optional(),
    endpoints: z.array(inlineEndpoint).max(4096).optional(),
    /** Picks WorkloadEntries of the same namespace by labels; no labels pick all of them. */
    workloadSelector: z.strictObject({ labels: selectorLabels.optional() }).optional(),
    exportTo: exportTo.optional(),
    /** Names that certificates of the endpoints may carry instead. */
    subjectAltNames: z.array(z.string()).max(256).optional(),
  })
  .superRefine(checkResolution)
  .superRefine(checkHostsFitPorts)

export const serviceEntry = z.strictObject({
  apiVersion: z.enum(networkingVersions),
  kind: z.literal('ServiceEntry'),
  metadata: metadata('service'),
  spec: serviceEntrySpec,
  status: ofKubernetes(),
})

export type ServiceEntry = z.infer<typeof serviceEntry>

function checkUnique(ports: readonly { name: string; number: number }[], context: z.RefinementCtx): void {
  for (const [index, port] of ports.entries()) {
    const earlier = ports.slice(0, index)
    if (earlier.some(other => other.name === port.name)) {
      context.addIssue({
        code: 'custom',
        message: `${port.name} is the name of an earlier port`,
        path: [index, 'name'],
      })
    }
    if (earlier.some(other => other.number === port.number)) {
      context.addIssue({ code: 'custom', message: `${port.number} is an earlier port too`, path: [index, 'number'] })
    }
  }
}
