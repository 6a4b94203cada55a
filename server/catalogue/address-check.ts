import { canonicalAddress } from '../../mesh/std/ip-address.ts'
import { createRanges, type Ranges } from '../../mesh/std/ip-ranges.ts'

const loopback = createRanges(['127.0.0.0/8', '::1/128'])

/** Addresses that no registry may send traffic to, and what they are. */
const forbidden: readonly (readonly [string, Ranges])[] = [
  ['a cloud metadata address', createRanges(['169.254.169.254/32', 'fd00:ec2::254/128'])],
  ['a link-local address', createRanges(['169.254.0.0/16', 'fe80::/10'])],
  ['an unspecified address', createRanges(['0.0.0.0/8', '::/128'])],
  ['a multicast address', createRanges(['224.0.0.0/4', 'ff00::/8'])],
  ['a broadcast address', createRanges(['255.255.255.255/32'])],
  // NAT64 and 6to4 carry an IPv4 address that the rules above would not see
  ['an address that hides an IPv4 address', createRanges(['64:ff9b::/96', '2002::/16', '::/96'])],
]

/** An address that can be used, in its one spelling, or why it cannot. */
export type CheckedAddress = { readonly address: string } | { readonly reason: string }

export interface AddressRules {
  /** Ranges of the mesh's own virtual IPs: nobody else may claim one. */
  readonly virtualIps: Ranges
  /** Loopback means every host's own: only for workloads whose identity is checked on arrival. */
  readonly allowLoopback: boolean
}

/** Judges an address that a registry gives for a workload or a service. */
export function checkAddress(text: string, rules: AddressRules): CheckedAddress {
  const address = canonicalAddress(text)
  if (address === undefined) return { reason: `${quoted(text)} is not an IP address` }
  if (rules.virtualIps.has(address)) return { reason: `${address} is a virtual IP of the mesh` }
  if (loopback.has(address)) {
    return rules.allowLoopback ? { address } : { reason: `${address} is a loopback address` }
  }
  const hit = forbidden.find(([, ranges]) => ranges.has(address))
  return hit === undefined ? { address } : { reason: `${address} is ${hit[0]}` }
}

/** A text from outside as it may stand in a message: short, on one line, without control characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}
