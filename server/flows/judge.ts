import type { Flow } from '../../mesh/flows/flow.ts'
import { parseSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { CatalogueSnapshot, CatalogueWorkload } from '../../mesh/model/catalogue.ts'
import type { PolicyConfig } from '../../mesh/model/policy.ts'
import { policyConfigOf } from '../../mesh/model/policy-resource.ts'
import { policyApplies } from '../../mesh/policy/authorization/applies.ts'
import { type Authorization, type AuthorizationTarget, compileAuthorization } from '../../mesh/policy/authorization.ts'
import type { PolicyCall, VerifiedToken } from '../../mesh/policy/call.ts'
import type { Resource } from '../../mesh/resources/resource.ts'
import type { Placement, ServedPort } from '../compile/placement.ts'
import { createPolicyCompiler } from '../compile/policy.ts'
import type { MtlsVerdict } from '../compile/settings.ts'
import { mtlsVerdict } from '../placement.ts'

/** What a set of resources makes of a flow. */
export interface FlowVerdict {
  readonly allowed: boolean
  /** Who says so: `AuthorizationPolicy shop/cart rule 0`, `no rule of the ALLOW policies matches`, `no policy`. */
  readonly by: string
}

export interface JudgeWorld {
  readonly catalogue: CatalogueSnapshot
  readonly placement: Placement
  readonly rootNamespace: string
  readonly trustDomain: string
  /** Milliseconds since 1970. */
  readonly now: number
}

interface Target {
  readonly workload: CatalogueWorkload
  readonly served: ServedPort
}

/**
 * Judges flows by a set of resources with the code by which agents judge calls. Undefined for a flow of a service that
 * nobody serves on that port any more.
 */
export function createFlowJudge(
  resources: readonly Resource[],
  world: JudgeWorld,
): (flow: Flow) => FlowVerdict | undefined {
  const { rootNamespace, now } = world
  const config = configOf(resources, world)
  const mtls = mtlsVerdict(resources, { rootNamespace, now })
  const prepared = new Map<string, Authorization>()
  const authorize = (key: string, target: AuthorizationTarget): Authorization => {
    const known = prepared.get(key) ?? compileAuthorization(config, target)
    prepared.set(key, known)
    return known
  }
  return flow => {
    const target = targetOf(flow, world)
    if (target === undefined) return undefined
    const { workload, served } = target
    const refused = refusedPlaintext(flow, workload, mtls)
    if (refused !== undefined) return refused
    const isBytes = served.protocol === 'tcp' || served.protocol === 'tls'
    // nothing was read of it: what its requests are is not known
    if (flow.protocol === 'tcp' && !isBytes && served.protocol !== 'auto') return { allowed: true, by: noPolicy }
    const scope = {
      namespace: workload.namespace,
      labels: workload.labels,
      services: [served.service, ...served.otherServices],
    }
    const protocol = isBytes ? 'tcp' : flow.protocol
    const authorization = authorize(`${workload.id} ${served.port} ${protocol}`, { ...scope, protocol })
    const verdict = authorization.judge(callOf(flow, workload, tokenOf(flow, scope, config)))
    const { by, reason } = verdict
    if (by !== undefined) return { allowed: verdict.allowed, by: `AuthorizationPolicy ${by.policy} rule ${by.rule}` }
    return { allowed: verdict.allowed, by: reason === 'no-allow-matched' ? noRule : noPolicy }
  }
}

const noPolicy = 'no policy'
const noRule = 'no rule of the ALLOW policies matches'

function configOf(resources: readonly Resource[], { rootNamespace, trustDomain }: JudgeWorld): PolicyConfig {
  // keys are of no interest: tokens were verified when they were seen
  const compiled = createPolicyCompiler()(resources, () => undefined)
  const settings = resources.find(one => one.kind === 'MeshSettings' && one.metadata.namespace === rootNamespace)
  const trustDomainAliases = settings?.kind === 'MeshSettings' ? (settings.spec.trustDomainAliases ?? []) : []
  return policyConfigOf({ rootNamespace, trustDomain, trustDomainAliases }, [...compiled.values()], [])
}

/** The workload itself or, when it is gone, another one of the same port: instances come and go. */
function targetOf({ workload: id, service, port }: Flow, { catalogue, placement }: JudgeWorld): Target | undefined {
  const others = (catalogue.services.get(service)?.endpoints ?? []).map(endpoint => endpoint.workload)
  for (const one of [id, ...others]) {
    const workload = catalogue.workloads.get(one)
    const served = placement.portsOf(one).find(candidate => candidate.port === port)
    if (workload !== undefined && served !== undefined) return { workload, served }
  }
  return undefined
}

function refusedPlaintext(flow: Flow, workload: CatalogueWorkload, mtls: MtlsVerdict): FlowVerdict | undefined {
  if (flow.caller !== '') return undefined
  const { mode, from } = mtls(workload, flow.port)
  return mode === 'STRICT' ? { allowed: false, by: `PeerAuthentication ${from} (STRICT)` } : undefined
}

/** A token that nobody verifies any more proves nothing. */
function tokenOf(
  { principal }: Flow,
  target: Omit<AuthorizationTarget, 'protocol'>,
  { requestAuthentication, rootNamespace }: PolicyConfig,
): VerifiedToken | undefined {
  if (principal === '') return undefined
  const rule = requestAuthentication
    .filter(policy => !policy.dryRun && policyApplies(policy, target, rootNamespace))
    .flatMap(({ spec }) => spec.jwtRules ?? [])
    .find(({ issuer }) => issuer !== undefined && principal.startsWith(`${issuer}/`))
  if (rule === undefined) return undefined
  const iss = rule.issuer ?? ''
  return { principal, claims: { iss, sub: principal.slice(iss.length + 1) } }
}

function callOf(flow: Flow, workload: CatalogueWorkload, token: VerifiedToken | undefined): PolicyCall {
  const ip = flow.network.split('/')[0] ?? ''
  return {
    peer: principalOf(flow.caller),
    sourceIp: ip,
    destinationIp: workload.address,
    destinationPort: flow.port,
    sni: '',
    request:
      flow.protocol === 'tcp'
        ? undefined
        : { method: flow.method, path: flow.path, authority: '', headers: [], remoteIp: ip, token },
  }
}

function principalOf(caller: string): PolicyCall['peer'] {
  if (caller === '') return undefined
  const id = parseSpiffeId(caller)
  return id.kind === 'workload' ? id : undefined
}
