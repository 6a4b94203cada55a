import { workloadSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { HostResource, LocalWorkloadResource, TrustResource } from '../../mesh/model/agent-config.ts'
import type { CatalogueWorkload } from '../../mesh/model/catalogue.ts'
import { unknownLocality } from '../../mesh/model/locality.ts'
import { trustOf } from '../../mesh/model/trust.ts'
import type { Placement } from './placement.ts'
import { probesOf } from './probes.ts'
import { sortedRecord } from './services.ts'
import type { CompileSettings, MayHold, MtlsVerdict } from './settings.ts'

export interface NodeInput {
  readonly node: string
  readonly placement: Placement
  readonly settings: CompileSettings
  readonly mayHold: MayHold
  readonly mtls: MtlsVerdict
}

/** Compiles what is for one agent alone: its host, whom it believes, and its own workloads. */
export function compileNode(
  input: NodeInput,
): readonly [HostResource, TrustResource, ...(readonly LocalWorkloadResource[])] {
  const { node, settings } = input
  const { trustDomain } = settings
  const workloads = input.placement.workloadsOn(node)
  const defaultIdentity = heldIdentity(input, settings.defaultIdentity)
  const host: HostResource = {
    kind: 'host',
    node,
    trustDomain,
    rootNamespace: settings.rootNamespace,
    dnsDomain: settings.dnsDomain,
    ...(defaultIdentity === undefined ? {} : { defaultIdentity }),
    virtualIpRanges: settings.virtualIpRanges,
    locality: workloads.find(({ locality }) => locality.region !== '')?.locality ?? unknownLocality,
  }
  const trust: TrustResource = { kind: 'trust', ...trustOf({ trustDomain, ...settings.trust }) }
  return [host, trust, ...workloads.map(workload => compileWorkload(workload, input))]
}

function compileWorkload(workload: CatalogueWorkload, input: NodeInput): LocalWorkloadResource {
  const { serviceAccount, namespace } = workload
  const name = serviceAccount === undefined ? undefined : `${namespace}/${serviceAccount}`
  const identity = heldIdentity(input, name)
  const ports = input.placement.portsOf(workload.id)
  return {
    kind: 'workload',
    id: workload.id,
    namespace,
    name: workload.name,
    address: workload.address,
    ...(identity === undefined ? {} : { identity }),
    labels: sortedRecord(workload.labels),
    ports: ports.map(({ port, protocol, service, otherServices }) => {
      const { mode, from, dryRun } = input.mtls(workload, port)
      return {
        port,
        protocol,
        mtls: mode,
        mtlsFrom: from,
        ...(dryRun === undefined ? {} : { mtlsDryRun: dryRun }),
        service,
        ...(otherServices.length === 0 ? {} : { otherServices }),
      }
    }),
    callers: workload.callers,
    probes: probesOf(workload, ports),
  }
}

/** The SPIFFE id of `<namespace>/<service-account>` when the node may hold it. */
function heldIdentity(input: NodeInput, name: string | undefined): string | undefined {
  const [namespace, serviceAccount] = name?.split('/') ?? []
  if (name === undefined || namespace === undefined || serviceAccount === undefined) return undefined
  if (!input.mayHold(input.node, name)) return undefined
  return workloadSpiffeId(input.settings.trustDomain, namespace, serviceAccount)
}
