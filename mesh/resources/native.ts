import { z } from 'zod'
import { protocols } from '../model/service.ts'
import { isCgroupPath, isUid, isUnitName, isUserName } from './annotations.ts'
import { type Checked, checkDocument } from './check.ts'
import type { SourceDocument } from './document.ts'
import { nativeHealth } from './native-health.ts'
import {
  dnsLabel,
  dnsSubdomain,
  endpointAddress,
  labels,
  locality,
  nodeName,
  portName,
  portNumber,
  serviceAccount,
} from './primitives.ts'

/** The short form of a registry file: services and the workloads behind them, without Istio's ceremony. */

const namespace = dnsLabel.default('default')

const listedPort = z.strictObject({
  name: portName,
  port: portNumber,
  /** By the name's first word when left out, else it is found out. */
  protocol: z.enum(protocols).optional(),
})

const nativeService = z.strictObject({
  name: dnsLabel,
  namespace,
  /** `{ http: 80 }`, or a list where a protocol is to be said. */
  ports: z.union([z.record(portName, portNumber), z.array(listedPort)]).superRefine((ports, context) => {
    const list = Array.isArray(ports) ? ports : []
    for (const [index, port] of list.entries()) {
      if (list.findIndex(other => other.name === port.name) === index) continue
      context.addIssue({
        code: 'custom',
        message: `${port.name} is the name of an earlier port`,
        path: [index, 'name'],
      })
    }
  }),
})

const nativeWorkload = z.strictObject({
  name: dnsSubdomain,
  namespace,
  /** The host it sits on, as its agent calls itself. */
  node: nodeName.optional(),
  address: endpointAddress,
  serviceAccount: serviceAccount.optional(),
  /** Service of the same namespace to its ports here: by port name, or one number for a service of one port. */
  services: z.record(dnsLabel, z.union([portNumber, z.record(portName, portNumber)])).optional(),
  labels: labels.optional(),
  /** Relative share of traffic; 0 receives none. */
  weight: z.int().min(0).max(4_294_967_295).optional(),
  locality: locality.optional(),
  /** How its agent tells whether it can serve. */
  health: nativeHealth.optional(),
  user: z.string().refine(isUserName, 'is not a user name').optional(),
  uid: z.int().refine(isUid, 'is not a user id').optional(),
  cgroup: z.string().refine(isCgroupPath, 'must be a path relative to the cgroup root').optional(),
  unit: z.string().refine(isUnitName, 'is not the name of a systemd service').optional(),
})

/** Schema of one document in the short form. */
const nativeDocument = z.strictObject({
  /** Further files: paths or globs relative to the one that says so. */
  include: z.array(z.string().min(1).max(4096).regex(/^[^/]/, 'must be relative to this file')).optional(),
  services: z.array(nativeService).optional(),
  workloads: z.array(nativeWorkload).optional(),
})

export type NativeService = z.infer<typeof nativeService>
export type NativeWorkload = z.infer<typeof nativeWorkload>
export type NativeDocument = z.infer<typeof nativeDocument>

/** True for a document that is meant as a resource, well or badly written, rather than as the short form. */
export function isResourceDocument(value: unknown): boolean {
  return typeof value === 'object' && value !== null && ('kind' in value || 'apiVersion' in value || 'spec' in value)
}

/** Checks one document in the short form. */
export function parseNative(document: SourceDocument): Checked<NativeDocument> {
  return checkDocument(document, nativeDocument)
}

/** JSON Schema (draft 2020-12) of a document in the short form: for editors and documentation. */
export function nativeJsonSchema(): object {
  return z.toJSONSchema(nativeDocument, { io: 'input' })
}
