import type { AuthorizationPolicySpec, Policy, PolicyConfig } from '../../mesh/model/policy.ts'
import type { AuthorizationTarget } from '../../mesh/policy/authorization.ts'
import type { PolicyCall, PolicyRequest, VerifiedToken } from '../../mesh/policy/call.ts'
import { parsePrincipal } from './istio-authz.ts'

/** What a call has that differs from an ordinary one: a GET from the service account `web/front`. */
export interface CallText {
  /** Null: plaintext. */
  readonly peer?: string | null
  readonly sourceIp?: string
  readonly destinationIp?: string
  readonly destinationPort?: number
  readonly sni?: string
  readonly claims?: Readonly<Record<string, unknown>>
  readonly request?: Partial<PolicyRequest>
}

export function policyCall(text: CallText = {}, protocol: 'http' | 'tcp' = 'http'): PolicyCall {
  const { peer = 'cluster.local/ns/web/sa/front', sourceIp = '10.0.0.1', claims, request } = text
  return {
    peer: peer === null ? undefined : parsePrincipal(peer),
    sourceIp,
    destinationIp: text.destinationIp ?? '10.0.0.2',
    destinationPort: text.destinationPort ?? 8080,
    sni: text.sni ?? '',
    request:
      protocol === 'tcp'
        ? undefined
        : {
            method: 'GET',
            path: '/',
            authority: 'ledger',
            headers: [],
            remoteIp: sourceIp,
            token: claims === undefined ? undefined : verifiedToken(claims),
            ...request,
          },
  }
}

export function verifiedToken(claims: Readonly<Record<string, unknown>>): VerifiedToken {
  const { iss, sub } = claims
  const principal = typeof iss === 'string' && typeof sub === 'string' ? `${iss}/${sub}` : undefined
  return { claims, principal }
}

/** A policy of the namespace `bank`. */
export function policy(
  spec: AuthorizationPolicySpec,
  rest: Partial<Policy<AuthorizationPolicySpec>> = {},
): Policy<AuthorizationPolicySpec> {
  return { namespace: 'bank', name: 'p', createdAt: 0, dryRun: false, spec, ...rest }
}

export function policyConfig(
  authorization: readonly Policy<AuthorizationPolicySpec>[],
  rest: Partial<PolicyConfig> = {},
): PolicyConfig {
  return {
    rootNamespace: 'mesh',
    trustDomain: 'cluster.local',
    trustDomainAliases: [],
    authorization,
    requestAuthentication: [],
    unreadable: [],
    ...rest,
  }
}

/** A workload of the namespace `bank`. */
export const ledger: AuthorizationTarget = {
  namespace: 'bank',
  labels: { app: 'ledger', version: 'v1' },
  services: ['bank/ledger'],
  protocol: 'http',
}
