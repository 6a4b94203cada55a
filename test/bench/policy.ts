import { parseArgs } from 'node:util'
import type { AuthorizationPolicySpec, AuthorizationRule, Policy, PolicyConfig } from '../../mesh/model/policy.ts'
import { type Authorization, type AuthorizationTarget, compileAuthorization } from '../../mesh/policy/authorization.ts'
import type { PolicyCall } from '../../mesh/policy/call.ts'

/** Which calls the measured policies are about. */
interface Scenario {
  readonly name: string
  readonly policy: Pick<Policy<AuthorizationPolicySpec>, 'namespace'> & Pick<AuthorizationPolicySpec, 'selector'>
  rule(policy: number, rule: number): AuthorizationRule
}

const rulesEach = 10
const rounds = 5
const here = { namespace: 'bank', selector: { matchLabels: { app: 'ledger' } } }
const others = (policy: number, rule: number): AuthorizationRule => ({
  from: [{ source: { principals: [`cluster.local/ns/ns-${policy}/sa/caller-${rule}`] } }],
  to: [{ operation: { ports: ['8080'] } }],
})

const scenarios: readonly Scenario[] = [
  {
    name: 'of other namespaces',
    policy: { namespace: 'other', selector: undefined },
    rule: others,
  },
  {
    name: 'of other workloads',
    policy: { namespace: 'bank', selector: { matchLabels: { app: 'other' } } },
    rule: others,
  },
  { name: 'of this workload, for other callers', policy: here, rule: others },
  {
    name: 'of this workload, for this caller, all but true',
    policy: here,
    rule: policy => ({
      from: [{ source: { principals: ['cluster.local/ns/web/sa/front'] } }],
      to: [{ operation: { ports: [String(9000 + (policy % 900))] } }],
    }),
  },
]

/**
 * `[--json] [--policies 0,100,1000,10000] [--seconds 0.2]`: what it costs to judge a connection and a request, by how many
 * policies of ten rules there are and whom they are for; and what it costs to prepare them. CPU time, best of five rounds.
 */
export async function benchPolicy(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      policies: { type: 'string', default: '0,100,1000,10000' },
      seconds: { type: 'string', default: '0.2' },
    },
  })
  const counts = values.policies.split(',').map(Number)
  const seconds = Number(values.seconds)
  if (counts.some(count => !Number.isSafeInteger(count) || count < 0) || !(seconds > 0)) {
    throw new Error('--policies takes whole numbers with commas, --seconds a number above 0')
  }
  const rows = scenarios.flatMap(scenario => counts.map(count => measure(scenario, count, seconds)))
  if (values.json) console.log(JSON.stringify(rows))
  else for (const line of table(rows)) console.log(line)
}

interface Row {
  readonly scenario: string
  readonly policies: number
  readonly compileMs: number
  readonly connectionNs: number
  readonly requestNs: number
  /** Of the heap, a call. */
  readonly bytes: number
}

function measure({ name, policy, rule }: Scenario, count: number, seconds: number): Row {
  const config = configOf(count, policy, rule)
  const start = cpuMs()
  const ofRequests = compileAuthorization(config, targetOf('http'))
  const compileMs = cpuMs() - start
  const ofConnections = compileAuthorization(config, targetOf('tcp'))
  const request = callOf(true)
  const requestNs = costOf(ofRequests, request, seconds)
  return {
    scenario: name,
    policies: count,
    compileMs,
    connectionNs: costOf(ofConnections, callOf(false), seconds),
    requestNs,
    bytes: bytesOf(ofRequests, request, requestNs),
  }
}

/** One policy that allows the call, and `count` that deny others. */
function configOf(count: number, { namespace, selector }: Scenario['policy'], rule: Scenario['rule']): PolicyConfig {
  const base = { createdAt: 0, dryRun: false }
  const deny = Array.from({ length: count }, (_, policy) => ({
    ...{ ...base, namespace, name: `deny-${policy}` },
    spec: { selector, action: 'DENY' as const, rules: Array.from({ length: rulesEach }, (_, at) => rule(policy, at)) },
  }))
  const allow = {
    ...base,
    namespace: 'bank',
    name: 'allow',
    spec: { rules: [{ from: [{ source: { namespaces: ['web'] } }] }] },
  }
  return {
    rootNamespace: 'mesh',
    trustDomain: 'cluster.local',
    trustDomainAliases: [],
    authorization: count === 0 ? [] : [...deny, allow],
    requestAuthentication: [],
    unreadable: [],
  }
}

function targetOf(protocol: 'http' | 'tcp'): AuthorizationTarget {
  return { namespace: 'bank', labels: { app: 'ledger', version: 'v1' }, services: ['bank/ledger'], protocol }
}

function callOf(isRequest: boolean): PolicyCall {
  return {
    peer: { trustDomain: 'cluster.local', namespace: 'web', serviceAccount: 'front' },
    sourceIp: '10.1.2.3',
    destinationIp: '10.4.5.6',
    destinationPort: 8080,
    sni: '',
    request: isRequest
      ? {
          method: 'GET',
          path: '/api/v1/users/42?fields=name',
          authority: 'ledger.bank.mesh',
          headers: [
            'user-agent',
            'curl/8.5.0',
            'accept',
            '*/*',
            'x-request-id',
            '5e5e5e5e-1111-4222-8333-444444444444',
          ],
          remoteIp: '10.1.2.3',
          token: undefined,
        }
      : undefined,
  }
}

/** Nanoseconds of CPU time for one answer. */
function costOf({ judge }: Authorization, call: PolicyCall, seconds: number): number {
  let count = 1
  let ms = 0
  for (; ms < seconds * 200; count *= 2) ms = timed(judge, call, count)
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round += 1) best = Math.min(best, timed(judge, call, count) / count)
  return best * 1e6
}

function timed(judge: Authorization['judge'], call: PolicyCall, count: number): number {
  let allowed = 0
  const start = cpuMs()
  for (let at = 0; at < count; at += 1) if (judge(call).allowed) allowed += 1
  // what was answered must be used, or it would not be asked
  if (allowed !== count) throw new Error('the measured call is not allowed')
  return cpuMs() - start
}

/** The least that the heap grew by: what is left when nothing was collected meanwhile, or made by others. */
function bytesOf({ judge }: Authorization, call: PolicyCall, ns: number): number {
  const count = Math.max(10, Math.min(10_000, Math.round(2e8 / ns)))
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round += 1) {
    const before = process.memoryUsage().heapUsed
    timed(judge, call, count)
    const grown = process.memoryUsage().heapUsed - before
    if (grown >= 0) least = Math.min(least, grown / count)
  }
  return least
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function table(rows: readonly Row[]): readonly string[] {
  const head = `${'policies of ten rules'.padEnd(49)} ${['count', 'compile', 'connection', 'request', 'heap'].map(text => text.padStart(11)).join('')}`
  return [
    head,
    ...rows.map(({ scenario, policies, compileMs, connectionNs, requestNs, bytes }) => {
      const cells = [
        String(policies),
        `${compileMs.toFixed(1)} ms`,
        `${connectionNs.toFixed(0)} ns`,
        `${requestNs.toFixed(0)} ns`,
        `${bytes.toFixed(0)} B`,
      ]
      return `${scenario.padEnd(49)} ${cells.map(cell => cell.padStart(11)).join('')}`
    }),
  ]
}
