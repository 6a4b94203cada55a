import { isIP } from 'node:net'
import { parseSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { CatalogueService } from '../../mesh/model/catalogue.ts'
import type { PolicyConfig } from '../../mesh/model/policy.ts'
import { policyConfigOf } from '../../mesh/model/policy-resource.ts'
import type { Protocol } from '../../mesh/model/service.ts'
import { trafficConfigOf } from '../../mesh/model/traffic-resource.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { policyApplies } from '../../mesh/policy/authorization/applies.ts'
import { compileAuthorization, type ExplainedRule } from '../../mesh/policy/authorization.ts'
import type { PeerPrincipal, PolicyRequest, VerifiedToken } from '../../mesh/policy/call.ts'
import { remoteIpOf } from '../../mesh/policy/remote-ip.ts'
import { normalizePath } from '../../mesh/routing/path.ts'
import { octetsOf, textOf } from '../../mesh/std/octets.ts'
import { createPolicyCompiler } from '../compile/policy.ts'
import { createTrafficCompiler } from '../compile/traffic.ts'
import type { ExplainStep } from './explain.ts'
import type { Caller, ExplainInput } from './explain-parties.ts'
import type { AskedRequest } from './explain-request.ts'

/** What the policies of the called host are asked, besides who calls. */
export interface PolicyQuestion {
  readonly config: PolicyConfig
  /** Undefined when a connection is asked about. */
  readonly request: PolicyRequest | undefined
  /** The caller's end of the connection; empty when nobody said it. */
  readonly sourceIp: string
}

/** The workload's port that is called, and the service it is called by. */
export interface PolicyTarget {
  readonly service: CatalogueService
  readonly workload: Workload
  readonly port: number
  readonly protocol: Protocol
}

/** Why policies refuse the call, undefined when they do not; and what each of their rules made of it. */
export interface PolicyAnswer {
  readonly refusal: string | undefined
  readonly steps: readonly ExplainStep[]
}

/** Puts the question as an agent would, by the same policies; `authority` is what the request is sent to. */
export function policyQuestion(
  input: ExplainInput,
  trustDomain: string,
  sourceIp: string,
  asked: AskedRequest | undefined,
  authority: string,
): PolicyQuestion {
  const { resources, rootNamespace } = input
  const { mesh } = trafficConfigOf(rootNamespace, [...createTrafficCompiler()(resources).values()])
  const { trustDomainAliases = [], pathNormalization } = mesh
  const compiled = createPolicyCompiler()(resources, () => undefined)
  const config = policyConfigOf({ rootNamespace, trustDomain, trustDomainAliases }, [...compiled.values()], [])
  if (asked === undefined) return { config, request: undefined, sourceIp }
  const headers = asked.headers.flatMap(([name, value]) => [name, octetsOf(value)])
  const path = normalizePath(octetsOf(asked.path), pathNormalization?.normalization ?? 'DEFAULT') ?? asked.path
  const remoteIp = remoteIpOf(headers, sourceIp)
  const token = asked.claims === undefined ? undefined : tokenOf(asked.claims)
  return { config, request: { method: asked.method, path, authority, headers, remoteIp, token }, sourceIp }
}

/** Asks the policies of a workload's port by the code that its agent decides with. */
export function askPolicies(
  { config, request, sourceIp }: PolicyQuestion,
  { service, workload, port, protocol }: PolicyTarget,
  { meshed, identity }: Pick<Caller, 'meshed' | 'identity'>,
): PolicyAnswer {
  const { namespace, labels } = workload
  const isBytes = protocol === 'tcp' || protocol === 'tls' || (protocol === 'auto' && request === undefined)
  const services = [`${service.namespace}/${service.name}`]
  const target = { namespace, labels, services, protocol: isBytes ? 'tcp' : 'http' } as const
  const authorization = compileAuthorization(config, target)
  const steps = [...tokenSteps(config, target, request)]
  if (authorization.isEmpty) return { refusal: undefined, steps }
  const call = {
    peer: meshed && identity !== undefined ? principalOf(identity) : undefined,
    sourceIp: isIP(sourceIp) === 0 ? '' : sourceIp,
    destinationIp: workload.address,
    destinationPort: port,
    sni: '',
    request: isBytes ? undefined : (request ?? anyRequest(service)),
  }
  if (!isBytes && request === undefined) {
    steps.push({
      ok: true,
      what: 'request',
      detail: 'policies are asked about GET /, as none is said (--method, --path)',
    })
  }
  const { allowed, by, dryRun } = authorization.judge(call)
  for (const { namespace: of, name, spec, dryRun: isTried } of authorization.policies) {
    if (spec.rules !== undefined && spec.rules.length > 0) continue
    const detail = `${isTried ? 'dry run: ' : ''}${spec.action ?? 'ALLOW'} ${of}/${name} has no rules, it matches nothing`
    steps.push({ ok: true, passedOver: true, what: 'policy', detail })
  }
  steps.push(...authorization.explain(call).map(ruleStep))
  if (dryRun !== undefined) {
    const detail = `with the policies of dry runs it would be ${dryRun.allowed ? 'allowed' : 'denied'}`
    steps.push({ ok: true, what: 'dry run', detail })
  }
  const rule = by === undefined ? '' : ` by ${by.policy} rule ${by.rule}`
  const none = allowed ? '' : ': no rule of the ALLOW policies matches'
  const detail = `${allowed ? 'allowed' : 'denied'}${rule === '' ? none : rule}`
  steps.push({ ok: allowed, what: 'authorization', detail })
  return { refusal: allowed ? undefined : detail, steps }
}

function tokenOf(claims: Readonly<Record<string, unknown>>): VerifiedToken {
  const { iss, sub } = claims
  const principal = typeof iss === 'string' && typeof sub === 'string' ? `${iss}/${sub}` : undefined
  return { principal, claims }
}

function principalOf(identity: string): PeerPrincipal | undefined {
  const id = parseSpiffeId(identity)
  return id.kind === 'workload' ? id : undefined
}

function anyRequest({ hosts, name }: CatalogueService): PolicyRequest {
  return { method: 'GET', path: '/', authority: hosts[0] ?? name, headers: [], remoteIp: '', token: undefined }
}

function tokenSteps(
  { requestAuthentication, rootNamespace }: PolicyConfig,
  target: Parameters<typeof policyApplies>[1],
  request: PolicyRequest | undefined,
): readonly ExplainStep[] {
  const holding = requestAuthentication.filter(one => policyApplies(one, target, rootNamespace))
  return holding.map(({ namespace, name, spec, dryRun }) => {
    const issuers = (spec.jwtRules ?? []).map(({ issuer = '' }) => issuer).join(', ')
    const seen = request?.token === undefined ? 'none is sent' : 'one is taken as verified'
    const detail = `${dryRun ? 'dry run: ' : ''}${namespace}/${name} accepts tokens of ${issuers}; ${seen}`
    return { ok: true, what: 'tokens', detail }
  })
}

/** A match of DENY is what refuses; one that does not match is about other calls. */
function ruleStep({ rule, action, isDryRun, matches, misses, unenforceable }: ExplainedRule): ExplainStep {
  const name = `${isDryRun ? 'dry run: ' : ''}${action} ${rule.policy} rule ${rule.rule}`
  const dropped = unenforceable.length === 0 ? '' : `; cannot be enforced here: ${unenforceable.join(', ')}`
  if (matches) return { ok: isDryRun || action !== 'DENY', what: 'policy', detail: `${name} matches${dropped}` }
  const [miss] = misses
  const wanted = miss === undefined ? '' : `${miss.isNegated ? 'none of ' : ''}${miss.values.join(', ')}`
  const seen = miss?.seen === undefined ? 'nothing' : textOf(miss.seen)
  const why = miss === undefined ? '' : `: ${miss.field} wants ${wanted}, there is ${seen}`
  return { ok: true, passedOver: true, what: 'policy', detail: `${name} does not match${why}${dropped}` }
}
