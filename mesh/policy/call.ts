/**
 * What policies are asked about: a connection to a port of a workload, or one request on it. Addresses are numeric; IPv4
 * mapped into IPv6 is IPv4.
 */
export interface PolicyCall {
  /** Whom the caller's certificate names; undefined in plaintext. */
  readonly peer: PeerPrincipal | undefined
  /** Of the connection's other end: for calls over the mesh, of the calling workload's host. */
  readonly sourceIp: string
  readonly destinationIp: string
  /** The workload's port, not a service's. */
  readonly destinationPort: number
  /** Server name of TLS; empty without one. */
  readonly sni: string
  /** Undefined for a connection that is judged as such: TCP. */
  readonly request: PolicyRequest | undefined
}

export interface PeerPrincipal {
  readonly trustDomain: string
  readonly namespace: string
  readonly serviceAccount: string
}

export interface PolicyRequest {
  readonly method: string
  /** Normalised, with its query: as it is forwarded. */
  readonly path: string
  /** As it is forwarded, with the port if it has one. */
  readonly authority: string
  /** Flat pairs: name, value; names in any case. */
  readonly headers: readonly string[]
  /** The last entry of X-Forwarded-For, else the connection's other end. */
  readonly remoteIp: string
  /** The verified token; undefined without one. */
  readonly token: VerifiedToken | undefined
}

/** What a JSON Web Token says whose signature and rules were checked. */
export interface VerifiedToken {
  /** `<iss>/<sub>`; undefined unless both are there. */
  readonly principal: string | undefined
  readonly claims: Readonly<Record<string, unknown>>
}

/** One rule of a policy. */
export interface RuleRef {
  /** `<namespace>/<name>`. */
  readonly policy: string
  /** From 0. */
  readonly rule: number
}

/** The answer of all policies of a workload, with who gave it. */
export interface Verdict {
  readonly allowed: boolean
  /**
   * `no-policy`: nothing restricts; `no-allow-matched`: ALLOW policies are there, and none matches; `unreadable`: a policy
   * is there that this version cannot read.
   */
  readonly reason: 'no-policy' | 'allowed' | 'denied' | 'no-allow-matched' | 'unreadable'
  /** The rule that decided; undefined where none did. */
  readonly by: RuleRef | undefined
  /** `AuthorizationPolicy shop/cart`, with the reason `unreadable`. */
  readonly unreadable?: string
  /** AUDIT rules that match. */
  readonly audited: readonly RuleRef[]
  /** What would be answered if dry-run policies were in force; undefined when they are none, or it is the same. */
  readonly dryRun: { readonly allowed: boolean; readonly by: RuleRef | undefined } | undefined
}
