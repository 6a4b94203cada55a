import type { CallerSelector } from '../../mesh/model/workload.ts'

/**
 * What is to be captured on this host. Everything in this folder works from such a plan; nothing here knows services,
 * identities or the server.
 */

/** An address without zone and a TCP port. */
export interface AddressPort {
  readonly address: string
  readonly port: number
}

/** Every address of a prefix in CIDR form, and a TCP port. */
export interface RangePort {
  readonly range: string
  readonly port: number
}

/** The callers of one workload, and the port of the listener that speaks for it. */
export interface CallerRoute {
  /** Any of these makes a process a caller of the workload. */
  readonly selectors: readonly CallerSelector[]
  readonly port: number
}

export interface CapturePlan {
  /** Prefixes in CIDR form, either family: every TCP port of them is captured. */
  readonly virtualIpRanges: readonly string[]
  /**
   * Real addresses of mesh endpoints, so that clients which know them by other means are meshed, and those that services
   * outside of the mesh declare: captured too.
   */
  readonly endpoints: readonly AddressPort[]
  /** Real ranges whose calls follow rules: captured too, but for the host's own addresses. */
  readonly ranges?: readonly RangePort[]
  /** Where callers go that belong to no workload (15001). */
  readonly defaultPort: number
  readonly callers: readonly CallerRoute[]
  /**
   * Declared plaintext ports: what reaches them from outside the host goes to {@link inboundPort}. An address of
   * `0.0.0.0` or `::` stands for every address of the host.
   */
  readonly inbound: readonly AddressPort[]
  /** 15006. It has to listen on all addresses: a redirect from outside goes to the address of the interface. */
  readonly inboundPort: number
  /** Redirects queries to the servers of resolv.conf to this port of the agent's DNS; off when absent. */
  readonly dnsPort?: number
}

/**
 * TCP ports whose real addresses are never captured, in either direction: SSH, Weft's own, Consul's and Nomad's.
 * Virtual addresses are captured on every port: nothing but the mesh lives there.
 */
export const neverCapturedPorts: readonly (readonly [first: number, last: number])[] = [
  [22, 22],
  [15000, 15099],
  [15443, 15443],
  [4646, 4648],
  [8300, 8302],
  [8500, 8503],
  [8600, 8600],
]

/** Destinations that are never captured: loopback, link-local with the metadata services, multicast, broadcast. */
export const neverCapturedRanges: readonly string[] = [
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '255.255.255.255/32',
  '::1/128',
  'fe80::/10',
  'fd00:ec2::254/128',
  'ff00::/8',
]

/** How the kernel tells the agent's own connections, which are never captured. */
export type SelfMatch =
  | { readonly kind: 'cgroup'; readonly path: string }
  | { readonly kind: 'uid'; readonly uid: number }

/** A caller as the kernel can match it now. */
export type CallerMatch =
  | { readonly kind: 'cgroup'; readonly path: string; readonly port: number }
  | { readonly kind: 'uid'; readonly uid: number; readonly port: number }

export type Family = 4 | 6

export const families: readonly Family[] = [4, 6]
