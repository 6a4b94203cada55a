import { z } from 'zod'
import { type AuthorizationPolicy, authorizationPolicy } from './authorization-policy.ts'
import { type DestinationRule, destinationRule } from './destination-rule.ts'
import { type JoinPolicy, joinPolicy } from './join-policy.ts'
import { type MeshSettings, meshSettings } from './mesh-settings.ts'
import { type PeerAuthentication, peerAuthentication, securityVersions } from './peer-authentication.ts'
import { type RequestAuthentication, requestAuthentication } from './request-authentication.ts'
import { type ServiceEntry, serviceEntry } from './service-entry.ts'
import { type ServiceMerge, serviceMerge, weftVersions } from './service-merge.ts'
import { type Sidecar, sidecar } from './sidecar.ts'
import { type VirtualService, virtualService } from './virtual-service.ts'
import { networkingVersions, type WorkloadEntry, workloadEntry } from './workload-entry.ts'
import { type WorkloadGroup, workloadGroup } from './workload-group.ts'

/** One piece of operator intent, in Istio's shape, checked: everything in it is done by the mesh. */
export type Resource =
  | WorkloadEntry
  | WorkloadGroup
  | ServiceEntry
  | PeerAuthentication
  | AuthorizationPolicy
  | RequestAuthentication
  | ServiceMerge
  | VirtualService
  | DestinationRule
  | Sidecar
  | MeshSettings
  | JoinPolicy

export type ResourceKind = Resource['kind']

/** The schema of every kind, by kind. */
export const resourceSchemas = {
  WorkloadEntry: workloadEntry,
  WorkloadGroup: workloadGroup,
  ServiceEntry: serviceEntry,
  PeerAuthentication: peerAuthentication,
  AuthorizationPolicy: authorizationPolicy,
  RequestAuthentication: requestAuthentication,
  ServiceMerge: serviceMerge,
  VirtualService: virtualService,
  DestinationRule: destinationRule,
  Sidecar: sidecar,
  MeshSettings: meshSettings,
  JoinPolicy: joinPolicy,
} as const

/** The API versions each kind is written under. */
export const resourceVersions: Readonly<Record<ResourceKind, readonly string[]>> = {
  WorkloadEntry: networkingVersions,
  WorkloadGroup: networkingVersions,
  ServiceEntry: networkingVersions,
  PeerAuthentication: securityVersions,
  AuthorizationPolicy: securityVersions,
  RequestAuthentication: securityVersions,
  ServiceMerge: weftVersions,
  VirtualService: networkingVersions,
  DestinationRule: networkingVersions,
  Sidecar: networkingVersions,
  MeshSettings: weftVersions,
  JoinPolicy: weftVersions,
}

/** Kinds of Istio's that Weft will not take yet. */
export const unimplementedKinds: readonly string[] = [
  'EnvoyFilter',
  'Gateway',
  'ProxyConfig',
  'Telemetry',
  'WasmPlugin',
]

/** True for the name of a kind that is taken. */
export function isResourceKind(kind: string): kind is ResourceKind {
  return Object.hasOwn(resourceSchemas, kind)
}

/** `<kind> <namespace>/<name>`: what a resource is called in messages, unique among resources. */
export function describeResource(resource: Resource): string {
  return `${resource.kind} ${resource.metadata.namespace}/${resource.metadata.name}`
}

/** JSON Schema (draft 2020-12) of a kind as operators write it: for editors and documentation. */
export function resourceJsonSchema(kind: ResourceKind): object {
  return z.toJSONSchema(resourceSchemas[kind], { io: 'input' })
}
