import fc from 'fast-check'
import type { AuthorizationPolicySpec, AuthorizationRule, Policy } from '../../mesh/model/policy.ts'
import type { PolicyCall } from '../../mesh/policy/call.ts'
import { policy, policyCall } from './policy-calls.ts'

/** Few names, so that rules and calls often meet. */
const names = ['web', 'ops', 'bank', 'web-2']
const accounts = ['front', 'ledger', 'frontend']
const addresses = ['10.0.0.1', '10.0.1.1', '10.1.0.1', '192.168.0.7']
const patternsOf = (...texts: readonly string[]) => fc.constantFrom(...texts)

const principals = patternsOf(
  ...names.flatMap(ns => accounts.map(sa => `cluster.local/ns/${ns}/sa/${sa}`)),
  ...['*', '*/sa/front', '*front', 'cluster.local/ns/web/*', 'cluster.local/ns/web*', 'cluster.local/ns/*/sa/front'],
)
const namespaces = patternsOf(...names, '*', 'web*', '*-2', 'w*')
const serviceAccounts = patternsOf('front', 'ledger', 'web/front', 'bank/frontend', 'web-2/ledger')
const blocks = patternsOf(...addresses, '10.0.0.0/8', '10.0.0.0/16', '10.0.1.9/24', '0.0.0.0/0', '192.168.0.7/31')
const hosts = patternsOf('ledger', 'LEDGER:80', '*.bank', 'ledger*', '*')
const ports = patternsOf('80', '8080', '9090')
const methods = patternsOf('GET', 'POST', 'P*', '*T', '*')
const paths = patternsOf('/a', '/a*', '*/b', '/a/*/c', '*', '/a?x=1', '/A', '/a.b')
const tiers = patternsOf('gold', 'silver', 'g*', '*er', '*')
const snis = patternsOf('a.test', '*.test', 'a*', '*')

const some = (values: fc.Arbitrary<string>) => fc.uniqueArray(values, { minLength: 1, maxLength: 3 })

/** Some of the fields, and at least one. */
function fieldsOf(fields: Readonly<Record<string, fc.Arbitrary<string>>>) {
  const model = Object.fromEntries(
    Object.entries(fields).flatMap(([name, values]) => [
      [name, some(values)],
      [`not${name.charAt(0).toUpperCase()}${name.slice(1)}`, some(values)],
    ]),
  )
  return fc
    .tuple(fc.record(model, { requiredKeys: [] }), fc.constantFrom(...Object.keys(fields)), fc.nat())
    .chain(([all, fallback, seed]) => {
      const kept = Object.fromEntries(Object.entries(all).filter((_, at) => (seed + at * 7) % 5 === 0))
      return Object.keys(kept).length > 0
        ? fc.constant(kept)
        : some(fields[fallback] ?? fc.constant('*')).map(values => ({ [fallback]: values }))
    })
}

const sources = fieldsOf({ principals, namespaces, serviceAccounts, ipBlocks: blocks, remoteIpBlocks: blocks })
const operations = fieldsOf({ hosts, ports, methods, paths })
const conditions = fc
  .constantFrom(
    ...(
      [
        ['source.principal', principals],
        ['source.namespace', namespaces],
        ['source.serviceAccount', serviceAccounts],
        ['source.ip', blocks],
        ['remote.ip', blocks],
        ['destination.ip', blocks],
        ['destination.port', ports],
        ['connection.sni', snis],
        ['request.headers[x-tier]', tiers],
        ['request.headers[X-Tier]', tiers],
      ] as const
    ).map(([key, values]) => ({ key, values })),
  )
  .chain(({ key, values }) =>
    fc.oneof(
      some(values).map(values => ({ key, values })),
      some(values).map(notValues => ({ key, notValues })),
      fc.tuple(some(values), some(values)).map(([values, notValues]) => ({ key, values, notValues })),
    ),
  )

export const anyRule: fc.Arbitrary<AuthorizationRule> = fc.record(
  {
    from: fc.array(
      sources.map(source => ({ source })),
      { minLength: 1, maxLength: 2 },
    ),
    to: fc.array(
      operations.map(operation => ({ operation })),
      { minLength: 1, maxLength: 2 },
    ),
    when: fc.array(conditions, { minLength: 1, maxLength: 2 }),
  },
  { requiredKeys: [] },
)

type AnyPolicy = Policy<AuthorizationPolicySpec>

/** Of the namespace `bank`. */
export function anyPolicy(action: NonNullable<AuthorizationPolicySpec['action']>): fc.Arbitrary<AnyPolicy> {
  return fc.array(anyRule, { maxLength: 3 }).map(rules => policy({ action, rules }, { name: action.toLowerCase() }))
}

export const anyPolicies: fc.Arbitrary<readonly AnyPolicy[]> = fc.array(
  fc.oneof(anyPolicy('ALLOW'), anyPolicy('DENY'), anyPolicy('AUDIT')),
  { maxLength: 4 },
)

export const anyCall: fc.Arbitrary<PolicyCall> = fc
  .record({
    peer: fc.option(
      fc
        .tuple(fc.constantFrom(...names), fc.constantFrom(...accounts))
        .map(([ns, sa]) => `cluster.local/ns/${ns}/sa/${sa}`),
    ),
    sourceIp: fc.constantFrom(...addresses),
    destinationIp: fc.constantFrom(...addresses),
    destinationPort: fc.constantFrom(80, 8080, 9090),
    sni: fc.constantFrom('', 'a.test', 'b.test'),
    request: fc.record({
      method: fc.constantFrom('GET', 'POST', 'PUT'),
      path: fc.constantFrom('/', '/a', '/a?x=1', '/a/b', '/a/x/c', '/a/*/c', '/A', '/axb'),
      authority: fc.constantFrom('ledger', 'Ledger:80', 'x.bank', ''),
      remoteIp: fc.constantFrom(...addresses),
      headers: fc
        .array(fc.tuple(fc.constantFrom('x-tier', 'X-TIER', 'x-other'), fc.constantFrom('gold', 'silver', '')))
        .map(pairs => pairs.flat()),
    }),
  })
  .map(text => policyCall(text))
