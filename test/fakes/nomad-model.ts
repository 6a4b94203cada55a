import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** Objects of Nomad's API: the fields that the fake looks at, and all others as they were recorded. */
export interface NomadObject {
  readonly [field: string]: unknown
}

export interface NomadService extends NomadObject {
  readonly Name: string
  readonly PortLabel: string
  readonly AddressMode: string
  readonly Address: string
  readonly Provider: string
  readonly Tags: readonly string[] | null
  readonly CanaryTags: readonly string[] | null
  readonly Checks: readonly NomadCheck[] | null
}

export interface NomadCheck extends NomadObject {
  readonly Name: string
  readonly Type: string
  readonly OnUpdate: string
}

export interface NomadTask extends NomadObject {
  readonly Name: string
  readonly Services: readonly NomadService[] | null
}

export interface NomadGroup extends NomadObject {
  readonly Name: string
  readonly Count: number
  readonly Networks: readonly NomadNetwork[] | null
  readonly Disconnect: unknown
  readonly Services: readonly NomadService[] | null
  readonly Tasks: readonly NomadTask[]
}

interface NomadNetwork extends NomadObject {
  readonly Mode?: string
}

export interface NomadJob extends NomadObject {
  readonly ID: string
  readonly Namespace: string
  readonly Type: string
  readonly Version: number
  readonly TaskGroups: readonly NomadGroup[]
}

export interface NomadPort extends NomadObject {
  readonly Label: string
  readonly Value: number
  readonly To?: number
  readonly HostIP: string
}

export interface NomadAllocation extends NomadObject {
  readonly ID: string
  readonly Name: string
  readonly Namespace: string
  readonly JobID: string
  readonly TaskGroup: string
  readonly NodeID: string
  readonly NodeName: string
  readonly ClientStatus: string
  readonly DesiredStatus: string
  readonly CreateIndex: number
  readonly ModifyIndex: number
  readonly Job: NomadJob
  readonly AllocatedResources: { readonly Shared: { readonly Ports: readonly NomadPort[] | null } }
  readonly NetworkStatus?: { readonly Address: string } | null
  readonly DeploymentID?: string
  readonly DeploymentStatus?: NomadObject | null
}

export interface NomadNode extends NomadObject {
  readonly ID: string
  readonly Name: string
  readonly Datacenter: string
  readonly NodeClass: string
  readonly HTTPAddr: string
  readonly Status: string
  readonly SchedulingEligibility: string
  readonly CreateIndex: number
  readonly ModifyIndex: number
  readonly Meta: Readonly<Record<string, string>>
  readonly Attributes: Readonly<Record<string, string>>
  readonly HostNetworks: Readonly<Record<string, { readonly CIDR: string }>>
}

export interface NomadRegistration extends NomadObject {
  readonly ID: string
  readonly ServiceName: string
  readonly Namespace: string
  readonly NodeID: string
  readonly Datacenter: string
  readonly JobID: string
  readonly AllocID: string
  readonly Tags: readonly string[]
  readonly Address: string
  readonly Port: number
  readonly CreateIndex: number
  readonly ModifyIndex: number
}

const folder = new URL('../fixtures/nomad/', import.meta.url)

/** A recorded body, as text. */
export function recordedText(name: string): string {
  return readFileSync(new URL(name, folder), 'utf8')
}

export interface NodeSpec {
  readonly name: string
  /** Address of the host; its ports are there. */
  readonly address: string
  readonly datacenter?: string
  readonly nodeClass?: string
  readonly pool?: string
  readonly meta?: Readonly<Record<string, string>>
  /** Further host networks and the node's addresses in them. */
  readonly hostNetworks?: Readonly<Record<string, string>>
}

/** A node as recorded, with the values of the spec. */
export function nodeOf(spec: NodeSpec): NomadNode {
  const base: NomadNode = JSON.parse(recordedText('node-client-a.json'))
  const { address, datacenter = 'dc1', hostNetworks = {} } = spec
  return {
    ...base,
    ID: randomUUID(),
    Name: spec.name,
    HTTPAddr: `${address}:4646`,
    Datacenter: datacenter,
    NodeClass: spec.nodeClass ?? '',
    NodePool: spec.pool ?? 'default',
    Meta: { ...spec.meta },
    Attributes: { ...base.Attributes, 'unique.hostname': spec.name, 'unique.network.ip-address': address },
    HostNetworks: Object.fromEntries(
      Object.entries(hostNetworks).map(([name, ip]) => [
        name,
        { CIDR: `${ip}/32`, Interface: '', Name: name, ReservedPorts: '' },
      ]),
    ),
    Status: 'ready',
    SchedulingEligibility: 'eligible',
    CreateIndex: 0,
    ModifyIndex: 0,
  }
}
