import { type Locality, parseLocality } from '../../mesh/model/locality.ts'
import type { Protocol } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { canonicalAddress } from '../../mesh/std/ip-address.ts'
import { callersOf } from '../callers.ts'
import { probeOf } from '../health-setting.ts'
import { refusalOf } from '../instance-names.ts'
import { type InstanceSettings, protocolOf, servicePortOf, weightOf } from '../instance-settings.ts'
import { labelsFrom } from '../labels.ts'
import { quoted } from '../quoted.ts'
import type { NomadAllocation, NomadNode, NomadRegistration } from './answers.ts'
import type { CheckResult } from './check-results.ts'
import { healthOf } from './health.ts'
import { idPrefix, type JobGroup, type JobService, serviceOf } from './job-group.ts'
import type { NodeName } from './node-names.ts'
import { isForWeft, nodeSetting, settingsOfRegistration } from './settings-of-registration.ts'

export type ServiceAccounts = 'none' | 'service-name' | 'job'

/** What the translation needs to know besides Nomad's answers. */
export interface TranslateContext {
  /** Name of the registry: prefix of workload ids. */
  readonly registry: string
  readonly serviceAccounts: ServiceAccounts
  /** Mesh namespace of a namespace of Nomad. */
  meshNamespaceOf(namespace: string): string
}

/** What is known of the allocation and the node of a registration. */
export interface InstanceFacts {
  readonly allocation: NomadAllocation
  readonly group: JobGroup
  readonly node: NomadNode
  readonly nodeName: NodeName
  readonly checks: readonly CheckResult[] | undefined
}

/** One registration in the mesh's words. */
export interface TranslatedInstance {
  readonly workload: Workload
  readonly allocId: string
  /** Where it listens; undefined for one without a port: it calls and is not called. */
  readonly port: number | undefined
  /** Label of that port in the job, a number in words for a literal one; empty when the block was not found. */
  readonly portLabel: string
  /** The port inside, where the job names one. */
  readonly inside: number | undefined
  /** Which port callers should use, and what is spoken there, as the instance says; undefined where it says nothing. */
  readonly servicePort: number | undefined
  readonly protocol: Protocol | undefined
}

/** Reasons are what was left out of an instance, or why it is left out as a whole (`instance` is missing then). */
export interface Translation {
  readonly instance?: TranslatedInstance
  readonly reasons: readonly string[]
}

/**
 * Makes a workload of one registration. A wrong name, namespace, identity, address, port or node leaves it out, as
 * guessing there could send traffic elsewhere or in the clear; any other wrong setting is left out alone.
 */
export function translateInstance(
  registration: NomadRegistration,
  facts: InstanceFacts | { readonly reason: string },
  context: TranslateContext,
): Translation {
  if ('reason' in facts) return { reasons: [facts.reason] }
  const { allocation, group, node, nodeName, checks } = facts
  if ('reason' in nodeName) return { reasons: [nodeName.reason] }
  const { service, tags } = registration
  const block = serviceOf(group, registration)
  const meta = metaOf(block, allocation)
  const { settings, reasons: wrongSettings } = settingsOfRegistration(tags, meta)
  const namespace = settings.namespace ?? context.meshNamespaceOf(registration.namespace)
  const serviceAccount = settings['service-account'] ?? defaultAccount(context, service, group)
  const refusal = refusalOf({ service, namespace, serviceAccount, node: nodeName.name, port: registration.port })
  if (refusal !== undefined) return { reasons: [refusal] }
  const written = registration.address === '' ? node.address : registration.address
  const address = canonicalAddress(written)
  if (address === undefined) return { reasons: [`the address ${quoted(written)} is not an IP address`] }
  const { callers, reasons: wrongCallers } = callersOf(settings)
  const { port: servicePort, reasons: wrongPort } = servicePortOf(settings)
  const { protocol, reasons: wrongProtocol } = protocolOf(settings)
  const { weight = 1, reasons: wrongWeight } = weightOf(settings)
  const { probe, reasons: wrongProbe } = probeOf(settings)
  const workload: Workload = {
    id: `${context.registry}/${registration.allocId}/${restOfId(registration)}`,
    registry: context.registry,
    namespace,
    name: service,
    address,
    node: nodeName.name,
    ...(serviceAccount !== undefined && { serviceAccount }),
    labels: labelsOf(registration, facts, block, meta),
    locality: localityOf(settings, registration, group, node),
    weight,
    ...healthOf({ service, allocation, group, block, checks }),
    ...(probe !== undefined && { probe }),
    callers,
  }
  return {
    instance: {
      workload,
      allocId: registration.allocId,
      port: registration.port === 0 ? undefined : registration.port,
      portLabel: block?.portLabel ?? '',
      inside: block === undefined || block.to === 0 ? undefined : block.to,
      servicePort,
      protocol,
    },
    reasons: [wrongSettings, wrongCallers, wrongPort, wrongProtocol, wrongWeight, wrongProbe].flat(),
  }
}

/** A canary's own meta stands in for the other, as Nomad does with its tags. */
function metaOf(block: JobService | undefined, { canary }: NomadAllocation): Readonly<Record<string, string>> {
  if (block === undefined) return {}
  return canary && Object.keys(block.canaryMeta).length > 0 ? block.canaryMeta : block.meta
}

function defaultAccount(context: TranslateContext, service: string, group: JobGroup): string | undefined {
  switch (context.serviceAccounts) {
    case 'none':
      return undefined
    case 'service-name':
      return service
    case 'job':
      return group.parentId
  }
}

/** What tells the registrations of one allocation apart. */
function restOfId({ id, allocId }: NomadRegistration): string {
  const prefix = idPrefix(allocId)
  return id.startsWith(prefix) ? id.slice(prefix.length) : id
}

function labelsOf(
  registration: NomadRegistration,
  { allocation, node }: InstanceFacts,
  block: JobService | undefined,
  meta: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const own = {
    app: registration.service,
    job: registration.jobId,
    group: allocation.group,
    namespace: registration.namespace,
    datacenter: registration.datacenter,
    ...(block?.task !== undefined && { task: block.task }),
    ...(node.pool !== '' && { 'node-pool': node.pool }),
    ...(node.nodeClass !== '' && { 'node-class': node.nodeClass }),
    ...(allocation.canary && { canary: 'true' }),
  }
  // The tag that says a version in most clusters is the label of that name, which subsets select by.
  const tags = registration.tags.map(tag => (tag.startsWith('version=') ? `weft.label.${tag}` : tag))
  const labelsInMeta = Object.fromEntries(Object.entries(meta).filter(([key]) => !isForWeft(key)))
  return labelsFrom({ own, tagPrefix: 'nomad.tag', tags, meta: labelsInMeta })
}

/** The instance's own word, the node's, or region, datacentre and node pool, of which the default one says nothing. */
function localityOf(
  settings: InstanceSettings,
  { datacenter }: NomadRegistration,
  { region }: JobGroup,
  { meta, pool, nodeClass }: NomadNode,
): Locality {
  const said = settings.locality ?? nodeSetting(meta, 'locality')
  if (said !== undefined) return parseLocality(said)
  return { region, zone: datacenter, subzone: pool === 'default' ? nodeClass : pool }
}
