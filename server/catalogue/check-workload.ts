import { identitySni } from '../../mesh/identity/sni.ts'
import { agentSpiffeId, workloadSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import type { Ranges } from '../../mesh/std/ip-ranges.ts'
import { checkAddress, quoted } from './address-check.ts'
import { isNamespace, isObjectName } from './names.ts'

/** What items are judged by. */
export interface ItemRules {
  readonly trustDomain: string
  readonly virtualIps: Ranges
  /** Whether what the registry says of local processes is believed: it gives them a workload's identity. */
  readonly trustCallers: boolean
}

/** Labels of one workload, names and values together, in characters. */
const maxLabelChars = 16 * 1024
const maxLabels = 128
const maxReasonChars = 200
/** What a ServiceEntry can say: an unsigned 32-bit number. */
const maxWeight = 2 ** 32 - 1

/** The workload with its address in canonical spelling, or why it cannot be used. */
export type CheckedWorkload = { readonly workload: Workload } | { readonly reason: string }

/** Judges one workload as a registry gives it. */
export function checkWorkload(workload: Workload, registry: string, rules: ItemRules): CheckedWorkload {
  if (workload.registry !== registry || !workload.id.startsWith(`${registry}/`)) {
    return { reason: `its id ${quoted(workload.id)} is not of this registry` }
  }
  if (!isNamespace(workload.namespace)) return { reason: `${quoted(workload.namespace)} is no namespace` }
  if (!isObjectName(workload.name)) return { reason: `${quoted(workload.name)} is no name` }
  if (!Number.isFinite(workload.weight) || workload.weight < 0 || workload.weight > maxWeight) {
    return { reason: `its weight ${workload.weight} is not between 0 and ${maxWeight}` }
  }
  const reason = identityProblem(workload, rules.trustDomain) ?? labelProblem(workload.labels)
  if (reason !== undefined) return { reason }
  const placed = workload.node !== undefined && workload.serviceAccount !== undefined
  const checked = checkAddress(workload.address, { virtualIps: rules.virtualIps, allowLoopback: placed })
  if ('reason' in checked) return checked
  const healthReason = oneLine(workload.healthReason)
  const same = checked.address === workload.address && healthReason === workload.healthReason
  if (same) return { workload }
  return {
    workload: { ...workload, address: checked.address, ...(healthReason === undefined ? {} : { healthReason }) },
  }
}

/** Output of somebody's check, as it may be shown in a terminal. */
function oneLine(text: string | undefined): string | undefined {
  return text?.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ').slice(0, maxReasonChars)
}

function identityProblem(workload: Workload, trustDomain: string): string | undefined {
  const { namespace, serviceAccount, node } = workload
  try {
    // It must have a server name too: without one it could not be asked for.
    if (serviceAccount !== undefined) identitySni(workloadSpiffeId(trustDomain, namespace, serviceAccount))
  } catch {
    return `${quoted(`${namespace}/${serviceAccount}`)} cannot be an identity`
  }
  try {
    if (node !== undefined) agentSpiffeId(trustDomain, node)
  } catch {
    return `${quoted(node ?? '')} cannot be the name of a node`
  }
  return undefined
}

/** What is wrong with labels that a registry gives; undefined when nothing is. */
export function labelProblem(labels: Readonly<Record<string, string>>): string | undefined {
  const entries = Object.entries(labels)
  if (entries.length > maxLabels) return `it has ${entries.length} labels, more than ${maxLabels}`
  const size = entries.reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  return size > maxLabelChars ? `its labels are longer than ${maxLabelChars} characters` : undefined
}
