import { isIP } from 'node:net'
import { checkedCgroupPath, checkedEndpoint, checkedPort, checkedRange, checkedUid, familyOf } from './addresses.ts'
import {
  type CallerMatch,
  type CapturePlan,
  type Family,
  neverCapturedPorts,
  neverCapturedRanges,
  type SelfMatch,
} from './plan.ts'

/**
 * The rules as text for `iptables-restore`. Pure: same input, same bytes. Every value passes
 * `addresses.ts` before it becomes part of the text.
 */

/** What the rules are made from, besides the plan. */
export interface RuleFacts {
  readonly mode: 'mesh' | 'all'
  readonly self: SelfMatch
  /** Callers the kernel can match at the moment, cgroups before uids. */
  readonly callers: readonly CallerMatch[]
  /** Further ports and prefixes that are never captured. */
  readonly excludePorts: readonly number[]
  readonly excludeRanges: readonly string[]
  /** Addresses of the system's resolvers, used with `dnsPort`. */
  readonly resolvers: readonly string[]
}

/** The two tables, each as its chains and the rules in them, without the jumps that lead there. */
export interface RuleSet {
  readonly nat: TableRules
  readonly filter: TableRules
}

export interface TableRules {
  readonly chains: readonly string[]
  /** `-A CHAIN ...` lines. */
  readonly rules: readonly string[]
  /** Chain of the system, and what of it goes to ours: `OUTPUT`, `-j WEFT_OUTPUT`. Always put first. */
  readonly jumps: readonly { readonly from: string; readonly rule: string }[]
}

/** Name of the set of known endpoints of a family. */
export const endpointSet = (family: Family): string => `weft-endpoints-${family}`

/** Name of the set of declared ranges of a family. */
export const rangeSet = (family: Family): string => `weft-ranges-${family}`

/** All rules of one family. Throws `WEFT_CAPTURE` when a value is not what it should be. */
export function captureRules(plan: CapturePlan, facts: RuleFacts, family: Family): RuleSet {
  const ranges = plan.virtualIpRanges.map(checkedRange).filter(range => familyOf(range) === family)
  return {
    nat: {
      chains: ['WEFT_OUTPUT', 'WEFT_CALLER', 'WEFT_INBOUND'],
      rules: [
        ...outputRules(plan, facts, family, ranges).map(rule => `-A WEFT_OUTPUT ${rule}`),
        ...callerRules(plan, facts).map(rule => `-A WEFT_CALLER ${rule}`),
        ...inboundRules(plan, facts, family).map(rule => `-A WEFT_INBOUND ${rule}`),
      ],
      jumps: [
        { from: 'OUTPUT', rule: '-j WEFT_OUTPUT' },
        // what the host sends to itself has been through OUTPUT already
        { from: 'PREROUTING', rule: '! -i lo -j WEFT_INBOUND' },
      ],
    },
    filter: {
      chains: ['WEFT_LEAK', 'WEFT_DIRECT', 'WEFT_INPUT'],
      rules: [
        `-A WEFT_LEAK ${settled}`,
        ...leakRules(plan, family, ranges).map(rule => `-A WEFT_LEAK ${rule}`),
        ...directRules(facts, family).map(rule => `-A WEFT_DIRECT ${rule}`),
        `-A WEFT_INPUT ${settled}`,
        ...inboundPorts(plan, facts, family).flatMap(match => refusals(match).map(rule => `-A WEFT_INPUT ${rule}`)),
      ],
      jumps: [
        { from: 'OUTPUT', rule: '-j WEFT_LEAK' },
        { from: 'INPUT', rule: '! -i lo -j WEFT_INPUT' },
      ],
    },
  }
}

/**
 * What comes by here with a captured destination was not redirected: somebody has flushed the `nat` table, which
 * takes a while to be put right. New connections are refused rather than let through in plaintext. Packets of open ones
 * are dropped, not answered by a reset: they are sent again, and by then the redirection may be back.
 */
function leakRules(plan: CapturePlan, family: Family, ranges: readonly string[]): string[] {
  return [
    ...ranges.flatMap(range => [
      `-d ${range} -p tcp --syn -j REJECT --reject-with tcp-reset`,
      `-d ${range} -p tcp -j DROP`,
      `-d ${range} -j REJECT --reject-with ${family === 4 ? 'icmp' : 'icmp6'}-port-unreachable`,
    ]),
    `-p tcp -m set --match-set ${endpointSet(family)} dst,dst -j WEFT_DIRECT`,
    ...(declaresRanges(plan, family)
      ? [...ownHost, `-p tcp -m set --match-set ${rangeSet(family)} dst,dst -j WEFT_DIRECT`]
      : []),
  ]
}

/**
 * Packets of a connection that goes on where it began, without redirection: all but the first of nearly everything on
 * the host, so they are let go before anything is compared. A redirected connection whose packets come by here
 * untranslated is established too, and is not let go.
 */
const settled = '-m conntrack --ctstate ESTABLISHED -m conntrack ! --ctstate DNAT -j RETURN'

/** Known endpoints at their own addresses: what the redirection leaves alone is left alone here too. */
function directRules(facts: RuleFacts, family: Family): string[] {
  return [`${selfRule(facts.self)} -j RETURN`, ...exclusions(facts, family), ...refusals('-p tcp')]
}

/** Connections that were open before there were rules have never been redirected, and go on. */
function refusals(match: string): string[] {
  return [`${match} --syn -j REJECT --reject-with tcp-reset`, `${match} -m conntrack --ctstate DNAT -j DROP`]
}

/** What makes a packet the agent's own. */
export function selfRule(self: SelfMatch): string {
  return self.kind === 'uid' ? `-m owner --uid-owner ${checkedUid(self.uid)}` : cgroupRule(self.path)
}

function outputRules(plan: CapturePlan, facts: RuleFacts, family: Family, ranges: readonly string[]): string[] {
  return [
    // first of all: whatever else is wrong, the agent must never capture itself
    `${selfRule(facts.self)} -j RETURN`,
    ...dnsRules(plan, facts, family),
    '! -p tcp -j RETURN',
    ...ranges.map(range => `-d ${range} -j WEFT_CALLER`),
    ...exclusions(facts, family),
    `-m set --match-set ${endpointSet(family)} dst,dst -j WEFT_CALLER`,
    ...(facts.mode === 'all' || declaresRanges(plan, family) ? ownHost : []),
    ...(declaresRanges(plan, family) ? [`-m set --match-set ${rangeSet(family)} dst,dst -j WEFT_CALLER`] : []),
    ...(facts.mode === 'all' ? ['-j WEFT_CALLER'] : []),
  ]
}

/** What the host says to itself goes nowhere else, whatever ranges its addresses are in. */
const ownHost = ['-o lo -j RETURN', '-m addrtype --dst-type LOCAL -j RETURN']

function declaresRanges({ ranges = [] }: CapturePlan, family: Family): boolean {
  return ranges.some(({ range }) => familyOf(checkedRange(range)) === family)
}

/** Ports and destinations that are never captured at real addresses. */
function exclusions(facts: RuleFacts, family: Family): string[] {
  const excluded = [...neverCapturedRanges, ...facts.excludeRanges.map(checkedRange)]
  const ports = [...neverCapturedPorts, ...facts.excludePorts.map(port => [port, port] as const)]
  return [
    ...portLists(ports).map(list => `-p tcp -m multiport --dports ${list} -j RETURN`),
    ...excluded.filter(range => familyOf(range) === family).map(range => `-d ${range} -j RETURN`),
  ]
}

function callerRules(plan: CapturePlan, facts: RuleFacts): string[] {
  const redirect = (port: number) => `-j REDIRECT --to-ports ${checkedPort(port)}`
  return [
    ...facts.callers.map(caller =>
      caller.kind === 'uid'
        ? `-p tcp -m owner --uid-owner ${checkedUid(caller.uid)} ${redirect(caller.port)}`
        : `-p tcp ${cgroupRule(caller.path)} ${redirect(caller.port)}`,
    ),
    `-p tcp ${redirect(plan.defaultPort)}`,
  ]
}

function inboundRules(plan: CapturePlan, facts: RuleFacts, family: Family): string[] {
  const redirect = `-j REDIRECT --to-ports ${checkedPort(plan.inboundPort)}`
  return inboundPorts(plan, facts, family).map(match => `${match} ${redirect}`)
}

/** What matches each declared port of this host. */
function inboundPorts(plan: CapturePlan, facts: RuleFacts, family: Family): string[] {
  return plan.inbound
    .map(checkedEndpoint)
    .filter(({ address, port }) => familyOf(address) === family && !isNeverCaptured(port, facts.excludePorts))
    .map(({ address, port }) => {
      const to = isAnyAddress(address) ? '-m addrtype --dst-type LOCAL' : `-d ${address}`
      return `-p tcp ${to} -m tcp --dport ${port}`
    })
}

function dnsRules(plan: CapturePlan, facts: RuleFacts, family: Family): string[] {
  const { dnsPort } = plan
  if (dnsPort === undefined) return []
  return facts.resolvers
    .filter(address => isIP(address) === family)
    .flatMap(address =>
      ['udp', 'tcp'].map(
        protocol =>
          `-d ${address} -p ${protocol} -m ${protocol} --dport 53 -j REDIRECT --to-ports ${checkedPort(dnsPort)}`,
      ),
    )
}

/** True for ports that are left alone on real addresses. */
export function isNeverCaptured(port: number, excludePorts: readonly number[]): boolean {
  return excludePorts.includes(port) || neverCapturedPorts.some(([first, last]) => port >= first && port <= last)
}

/** `multiport` takes fifteen numbers at most, a range counting as two. */
function portLists(ports: readonly (readonly [number, number])[]): string[] {
  const lists: string[] = []
  for (let at = 0; at < ports.length; at += 7) {
    const some = ports
      .slice(at, at + 7)
      .map(([first, last]) => (first === last ? `${checkedPort(first)}` : `${first}:${last}`))
    lists.push(some.join(','))
  }
  return lists
}

function cgroupRule(path: string): string {
  return `-m cgroup --path "${checkedCgroupPath(path).replace(/["\\]/g, '\\$&')}"`
}

function isAnyAddress(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}
