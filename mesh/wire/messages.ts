import type { SeenFlow } from '../flows/flow.ts'

/** The protocol generation this build speaks; a peer one generation older or newer is spoken to as well. */
export const protocolVersion = 1

/** The largest message of the channel, encoded, in bytes; anything longer is refused before it is read. */
export const maxMessageBytes = 32 * 1024 * 1024

/** What this build's agents can do that older ones cannot, where those would do harm with what they are sent. */
export const agentCapabilities = ['policy-dry-run'] as const
export type Capability = (typeof agentCapabilities)[number]

/** A resource and what it holds, without the body. */
export interface ResourceVersion {
  /** {@link resourceName} of the resource. */
  readonly name: string
  /** SHA-256 of the body, first 16 bytes, hex. */
  readonly hash: string
}

/** A resource as it travels and as it is kept on disk. */
export interface EncodedResource extends ResourceVersion {
  /** One encoded AgentResource. */
  readonly body: Buffer
  /** In a server: only agents with this capability may have it; absent for what all may have. */
  readonly needs?: Capability
}

/** A resource that could not be used, and why. */
export interface RejectedResource {
  readonly name: string
  readonly reason: string
  /** In a server: it was not even sent, as the agent is too old for it, and is not in use in any version. */
  readonly withheld?: true
}

/** The first message of an agent: who speaks, and what it already holds. */
export interface Hello {
  readonly kind: 'hello'
  readonly protocol: number
  readonly agentVersion: string
  readonly have: readonly ResourceVersion[]
  /** What the host says about itself; never evidence of anything. */
  readonly facts: Readonly<Record<string, string>>
  /** What the agent can do; see {@link agentCapabilities}. An older agent names none. */
  readonly capabilities: readonly string[]
}

/** A change of an agent's configuration; the next one comes after its ack or nack. */
export interface Push {
  readonly kind: 'push'
  readonly version: number
  /** What is not named here does not exist. */
  readonly full: boolean
  readonly changed: readonly EncodedResource[]
  readonly removed: readonly string[]
}

/** The application's own sign of life, answered with a pong of the same id. */
export interface PingPong {
  readonly kind: 'ping' | 'pong'
  readonly id: number
}

/** A wish for a certificate; the server decides which identities the agent may hold. */
export interface SignRequest {
  readonly kind: 'sign-request'
  readonly id: number
  readonly identity: string
  /** PKCS#10, DER. */
  readonly csr: Buffer
}

/** The answer to a {@link SignRequest} of the same id. */
export interface SignResponse {
  readonly kind: 'sign-response'
  readonly id: number
  /** Leaf first, PEM; empty when refused. */
  readonly chain: readonly string[]
  /** Why there is no certificate: a code of the error catalogue and a sentence. */
  readonly error?: { readonly code: string; readonly reason: string }
}

/** The most workloads whose health one report may hold, and the most registrations. */
export const maxReportedHealth = 10_000
export const maxRegistrations = 1_000
export const maxReportedCertificates = 10_000

/** How one of the host's workloads answered its health check, judged by the check's thresholds. */
export interface WorkloadHealth {
  /** Workload id. */
  readonly workload: string
  readonly healthy: boolean
  /** One line: `tcp 10.0.0.7:8080: connection refused`. */
  readonly reason: string
}

/** A workload that the host itself declares: one more of a WorkloadGroup that an operator wrote. */
export interface Registration {
  /** `<namespace>/<name>` of the WorkloadGroup, which says everything that is not said here. */
  readonly group: string
  /** Unique among the host's registrations: a DNS label. */
  readonly name: string
  readonly address: string
  /** Port names to ports, where they are not the group's. */
  readonly ports: Readonly<Record<string, number>>
  /** Empty unless somebody took it out of service (`weft maintain`); what is open stays open meanwhile. */
  readonly maintenance: string
}

/** The root that the certificate of an identity is below: SHA-256 of the root's public key (SPKI), hex. */
export interface CertificateOfHost {
  readonly identity: string
  readonly root: string
}

/**
 * What an agent says about its host's own workloads. Each report replaces the one before; it is sent after the welcome
 * and whenever something of it changes.
 */
export interface HostReport {
  readonly kind: 'report'
  readonly health: readonly WorkloadHealth[]
  readonly registrations: readonly Registration[]
  /** What the host presents, the agent's own among it; absent for an agent that does not say. */
  readonly certificates?: readonly CertificateOfHost[]
  /** Calls that were seen, with what was counted since the last report that had them; absent for no news. */
  readonly flows?: readonly SeenFlow[]
}

/** Everything an agent says. */
export type AgentMessage =
  | Hello
  | { readonly kind: 'ack'; readonly version: number }
  | { readonly kind: 'nack'; readonly version: number; readonly rejected: readonly RejectedResource[] }
  | PingPong
  | SignRequest
  | HostReport

/** Everything a server says. */
export type ServerMessage =
  | { readonly kind: 'welcome'; readonly protocol: number; readonly serverVersion: string; readonly serverName: string }
  | Push
  | PingPong
  | SignResponse
  | { readonly kind: 'refused'; readonly code: string; readonly reason: string }
