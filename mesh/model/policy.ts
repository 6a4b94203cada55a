import type { Config } from './traffic.ts'

/**
 * Operators' security resources as evaluation reads them: Istio's `spec` as it was written and validated
 * (security.istio.io/v1: authorization_policy.proto, request_authentication.proto), with the metadata that decides where
 * they hold. `mesh/resources` holds the schemas; these types have no dependency, so the data plane can use them.
 */
export interface Policy<Spec> extends Config<Spec> {
  /** `istio.io/dry-run`: judged, logged and counted, and without any effect. */
  readonly dryRun: boolean
}

/** All policies that hold for some workload of a host, in no particular order. */
export interface PolicyConfig {
  /** Namespace whose policies hold for the whole mesh. */
  readonly rootNamespace: string
  readonly trustDomain: string
  /** Other names of the trust domain, in principals (MeshConfig.trustDomainAliases). */
  readonly trustDomainAliases: readonly string[]
  readonly authorization: readonly Policy<AuthorizationPolicySpec>[]
  readonly requestAuthentication: readonly Policy<RequestAuthenticationSpec>[]
  /** Nobody knows whom they forbid: the workloads that they are for serve nobody. */
  readonly unreadable: readonly UnreadablePolicy[]
}

/** A policy in force of which this version knows no more than its name and whom it may be for. */
export interface UnreadablePolicy {
  readonly kind: 'unreadable-policy'
  /** `AuthorizationPolicy shop/cart`. */
  readonly title: string
  /** Undefined when its name does not even tell this: it may be for every workload. */
  readonly namespace: string | undefined
  /** Empty when it cannot be read whom it is for: all workloads that a policy of its namespace can be for. */
  readonly spec: PolicyScope
}

/** Which workloads a policy is for; without any field, all of its namespace, or of the mesh in the root namespace. */
export interface PolicyScope {
  readonly selector?: Optional<WorkloadSelector>
  readonly targetRef?: Optional<TargetRef>
  readonly targetRefs?: Optional<readonly TargetRef[]>
}

type Optional<T> = T | undefined
type Texts = Optional<readonly string[]>

export interface WorkloadSelector {
  readonly matchLabels?: Optional<Readonly<Record<string, string>>>
}

/** A service (kind `Service`, group empty, or `ServiceEntry`) whose workloads a policy is for, of its own namespace. */
export interface TargetRef {
  readonly group?: Optional<string>
  readonly kind: string
  readonly name: string
  readonly namespace?: Optional<string>
}

export interface AuthorizationPolicySpec extends PolicyScope {
  /** ALLOW when absent. CUSTOM is refused when it is written. */
  readonly action?: Optional<'ALLOW' | 'DENY' | 'AUDIT'>
  /** Absent or empty: the policy matches nothing, and an ALLOW with that allows nothing. */
  readonly rules?: Optional<readonly AuthorizationRule[]>
}

/** Matches when one of `from` does, one of `to` does, and all of `when`; what is absent matches everything. */
export interface AuthorizationRule {
  readonly from?: Optional<readonly { readonly source: AuthorizationSource }[]>
  readonly to?: Optional<readonly { readonly operation: AuthorizationOperation }[]>
  readonly when?: Optional<readonly AuthorizationCondition[]>
}

/** All of the fields that are there must match; of a field one of the values, of a `not` field none. */
export interface AuthorizationSource {
  readonly principals?: Texts
  readonly notPrincipals?: Texts
  readonly requestPrincipals?: Texts
  readonly notRequestPrincipals?: Texts
  readonly namespaces?: Texts
  readonly notNamespaces?: Texts
  readonly serviceAccounts?: Texts
  readonly notServiceAccounts?: Texts
  readonly trustDomains?: Texts
  readonly notTrustDomains?: Texts
  readonly ipBlocks?: Texts
  readonly notIpBlocks?: Texts
  readonly remoteIpBlocks?: Texts
  readonly notRemoteIpBlocks?: Texts
}

export interface AuthorizationOperation {
  readonly hosts?: Texts
  readonly notHosts?: Texts
  readonly ports?: Texts
  readonly notPorts?: Texts
  readonly methods?: Texts
  readonly notMethods?: Texts
  readonly paths?: Texts
  readonly notPaths?: Texts
}

export interface AuthorizationCondition {
  /** `source.ip`, `request.headers[x-version]`, `request.auth.claims[iss]` and so on. */
  readonly key: string
  readonly values?: Texts
  readonly notValues?: Texts
}

export interface RequestAuthenticationSpec extends PolicyScope {
  readonly jwtRules?: Optional<readonly JwtRule[]>
}

export interface JwtRule {
  readonly issuer?: Optional<string>
  readonly audiences?: Texts
  /** Where the server fetches the keys; `jwks` holds what it has found. */
  readonly jwksUri?: Optional<string>
  /** JSON Web Key Set as text (RFC 7517). In an agent's config always there: no keys means that every token is refused. */
  readonly jwks?: Optional<string>
  readonly fromHeaders?: Optional<readonly { readonly name: string; readonly prefix?: Optional<string> }[]>
  readonly fromParams?: Texts
  readonly fromCookies?: Texts
  readonly outputPayloadToHeader?: Optional<string>
  readonly outputClaimToHeaders?: Optional<readonly { readonly header: string; readonly claim: string }[]>
  readonly forwardOriginalToken?: Optional<boolean>
  /** Go duration. */
  readonly timeout?: Optional<string>
  readonly spaceDelimitedClaims?: Texts
}
