import type { PortPolicySpec, TrafficPolicySpec } from '../model/traffic.ts'
import type { MergedRule } from './destination-rules.ts'

/** What a DestinationRule says of one port, of a subset or of none: no port-level settings are left in it. */
export type PortPolicy = Omit<TrafficPolicySpec, 'portLevelSettings'>

/**
 * The policy of a rule for one port and subset. A port's entry replaces pool, outlier detection, balancer and TLS as a
 * whole: what it leaves out goes back to the default, not to the level above. A subset overrides part by part; where it has an
 * entry for the port, that replaces the four and the rest is the level above's (Istio destination_rule.proto, `portLevelSettings`). Undefined where nothing is said.
 */
export function trafficPolicy(rule: MergedRule, port: number, subset: string): PortPolicy | undefined {
  const top = rule.trafficPolicy
  const base = top === undefined ? undefined : ofPort(top, port)
  const own = rule.subsets.find(({ name }) => name === subset)?.trafficPolicy
  return subset === '' || own === undefined ? base : override(base ?? {}, own, port)
}

function ofPort(policy: TrafficPolicySpec, port: number): PortPolicy {
  const entry = portEntry(policy, port)
  if (entry !== undefined) return fourParts(entry)
  const { portLevelSettings: _, ...rest } = policy
  return rest
}

function override(base: PortPolicy, subset: TrafficPolicySpec, port: number): PortPolicy {
  const entry = portEntry(subset, port)
  if (entry !== undefined) return { ...base, ...fourParts(entry) }
  const { portLevelSettings: _, ...said } = subset
  return { ...base, ...present(said) }
}

function portEntry(policy: TrafficPolicySpec, port: number): PortPolicySpec | undefined {
  return policy.portLevelSettings?.find(entry => entry.port?.number === port)
}

function fourParts({ loadBalancer, connectionPool, outlierDetection, tls }: PortPolicySpec): PortPolicySpec {
  return { loadBalancer, connectionPool, outlierDetection, tls }
}

/** Without fields that are there but undefined, so that spreading them overrides nothing. */
function present(policy: PortPolicy): PortPolicy {
  return Object.fromEntries(Object.entries(policy).filter(([, value]) => value !== undefined))
}
