import type {
  AuthorizationPolicySpec,
  Policy,
  PolicyConfig,
  RequestAuthenticationSpec,
  UnreadablePolicy,
} from './policy.ts'

/** The operators' resources that decide about calls of a workload and travel to its host, by kind. */
export interface PolicySpecs {
  readonly AuthorizationPolicy: AuthorizationPolicySpec
  readonly RequestAuthentication: RequestAuthenticationSpec
}

export type PolicyKind = keyof PolicySpecs

/** One of them on its way to an agent. */
export type PolicyResource = { [Kind in PolicyKind]: PolicyResourceOf<Kind> }[PolicyKind]

interface PolicyResourceOf<Kind extends PolicyKind> extends Policy<PolicySpecs[Kind]> {
  readonly kind: 'policy'
  readonly resource: Kind
}

/** The resources as evaluation reads them, for a mesh of this trust domain and its other names. */
export function policyConfigOf(
  mesh: Pick<PolicyConfig, 'rootNamespace' | 'trustDomain' | 'trustDomainAliases'>,
  resources: readonly PolicyResource[],
  unreadable: readonly UnreadablePolicy[],
): PolicyConfig {
  const { rootNamespace, trustDomain, trustDomainAliases } = mesh
  return {
    rootNamespace,
    trustDomain,
    trustDomainAliases,
    authorization: resources.filter(one => one.resource === 'AuthorizationPolicy').map(policyOf),
    requestAuthentication: resources.filter(one => one.resource === 'RequestAuthentication').map(policyOf),
    unreadable,
  }
}

function policyOf<Spec>({ namespace, name, createdAt, dryRun, spec }: Policy<Spec>): Policy<Spec> {
  return { namespace, name, createdAt, dryRun, spec }
}
