import { parse } from 'yaml'
import type { AuthorizationPolicySpec, Policy, PolicyConfig } from '../../mesh/model/policy.ts'
import type { AuthorizationTarget } from '../../mesh/policy/authorization.ts'
import type { PeerPrincipal, PolicyCall, PolicyRequest } from '../../mesh/policy/call.ts'
import { remoteIpOf } from '../../mesh/policy/remote-ip.ts'
import { fieldOf } from '../../mesh/routing/header-fields.ts'
import { normalizePath } from '../../mesh/routing/path.ts'
import { type AuthzCase, authzCases } from './istio-recordings.ts'

/** A recorded case as policies and the call that they are asked about. */
export interface AuthzQuestion {
  readonly config: PolicyConfig
  readonly target: AuthorizationTarget
  readonly call: PolicyCall
}

/**
 * The recorded cases in which policies were asked: not those where the handshake failed before, or the request was
 * refused as malformed.
 */
export function judgedAuthzCases(): readonly AuthzCase[] {
  return authzCases().filter(({ result }) => result.allow !== null && result.connection !== 'failed')
}

export function authzQuestion({ policies, mesh, workload, peer, request }: AuthzCase): AuthzQuestion {
  return {
    config: {
      rootNamespace: 'istio-system',
      ...trustDomainsOf(mesh),
      authorization: policies.map(parsePolicy),
      requestAuthentication: [],
      unreadable: [],
    },
    target: {
      namespace: workload.namespace,
      labels: workload.labels,
      services: [`${workload.namespace}/${workload.labels.app ?? ''}`],
      protocol: workload.protocol,
    },
    call: {
      peer: peer.principal === null ? undefined : parsePrincipal(peer.principal),
      sourceIp: peer.sourceIp,
      destinationIp: workload.ip,
      destinationPort: workload.port,
      // a name is sent with TLS only
      sni: peer.principal === null ? '' : (peer.sni ?? ''),
      request: request === null ? undefined : requestOf(request, peer.sourceIp),
    },
  }
}

/** Trust domains of a recorded mesh, by its MeshConfig. */
export function trustDomainsOf(mesh: string | null): Pick<PolicyConfig, 'trustDomain' | 'trustDomainAliases'> {
  const { trustDomain = 'cluster.local', trustDomainAliases = [] } = parseYaml<{
    readonly trustDomain?: string
    readonly trustDomainAliases?: readonly string[]
  }>(mesh ?? '{}')
  return { trustDomain, trustDomainAliases }
}

/** A policy as it was applied; all of them are of the same age. */
export function parsePolicy(document: string): Policy<AuthorizationPolicySpec> {
  const { metadata, spec } = parseYaml<{
    readonly metadata: {
      readonly name: string
      readonly namespace: string
      readonly annotations?: Readonly<Record<string, string>>
    }
    readonly spec?: AuthorizationPolicySpec
  }>(document)
  const dryRun = metadata.annotations?.['istio.io/dry-run'] === 'true'
  return { namespace: metadata.namespace, name: metadata.name, createdAt: 0, dryRun, spec: spec ?? {} }
}

export function parsePrincipal(text: string): PeerPrincipal {
  const [trustDomain = '', , namespace = '', , serviceAccount = ''] = text.split('/')
  return { trustDomain, namespace, serviceAccount }
}

function requestOf({ method, path, headers }: NonNullable<AuthzCase['request']>, sourceIp: string): PolicyRequest {
  const normal = normalizePath(path, 'DEFAULT')
  if (normal === undefined) throw new Error(`${path} is refused before any policy`)
  const flat = headers.flat()
  return {
    method,
    path: normal,
    authority: fieldOf(flat, 'host') ?? '',
    headers: flat,
    remoteIp: remoteIpOf(flat, sourceIp),
    token: undefined,
  }
}

function parseYaml<T>(text: string): T {
  const value: T = parse(text)
  return value
}
