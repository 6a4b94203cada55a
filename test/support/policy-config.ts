import type {
  AuthorizationPolicySpec,
  Policy,
  PolicyConfig,
  RequestAuthenticationSpec,
} from '../../mesh/model/policy.ts'

/** Policies of the mesh of `aMeshedPair`, as an agent has them. */
export function policiesOf(...all: readonly Policy<AuthorizationPolicySpec>[]): PolicyConfig {
  return {
    rootNamespace: 'weft-system',
    trustDomain: 'mesh.local',
    trustDomainAliases: [],
    authorization: all,
    requestAuthentication: [],
    unreadable: [],
  }
}

/** A policy for all workloads of `default`. */
export function anAuthorization(
  name: string,
  spec: AuthorizationPolicySpec,
  values: Partial<Policy<AuthorizationPolicySpec>> = {},
): Policy<AuthorizationPolicySpec> {
  return { namespace: 'default', name, createdAt: 0, dryRun: false, spec, ...values }
}

export function tokensOf(name: string, spec: RequestAuthenticationSpec, dryRun = false): PolicyConfig {
  const policy = { namespace: 'default', name, createdAt: 0, dryRun, spec }
  return { ...policiesOf(), requestAuthentication: [policy] }
}

/** The rule that callers of this name may pass, or may not. */
export const fromCaller = (name: string) => ({
  from: [{ source: { principals: [`mesh.local/ns/default/sa/${name}`] } }],
})
