import { readFileSync } from 'node:fs'
import t from 'tap'
import type { AuthorizationRule } from '../../../../mesh/model/policy.ts'
import { compileAuthorization } from '../../../../mesh/policy/authorization.ts'
import { isConditionKey } from '../../../../mesh/policy/condition-key.ts'
import { type CallText, ledger, policy, policyCall, policyConfig } from '../../../support/policy-calls.ts'

interface Row {
  readonly field: string
  readonly rule: AuthorizationRule
  readonly protocol?: 'tcp'
  readonly matches: readonly CallText[]
  readonly misses: readonly CallText[]
}

const table = new URL('../../../fixtures/policy/authorization.jsonl', import.meta.url)
const rows = readFileSync(table, 'utf8')
  .trim()
  .split('\n')
  .map((line): Row => JSON.parse(line))

const sources = [
  ...['principals', 'requestPrincipals', 'namespaces', 'serviceAccounts', 'trustDomains', 'ipBlocks', 'remoteIpBlocks'],
]
const operations = ['hosts', 'ports', 'methods', 'paths']
const conditions = [
  ...['request.headers[x-tier]', 'source.ip', 'remote.ip', 'source.namespace', 'source.serviceAccount'],
  ...['source.trustDomain', 'source.principal', 'request.auth.principal', 'request.auth.audiences'],
  ...['request.auth.presenter', 'request.auth.claims[role]', 'request.auth.claims[org][team]'],
  ...['destination.ip', 'destination.port', 'connection.sni'],
]

t.test('the table has each field of rules, with calls it is about and calls it is not', async t => {
  const complete = new Set(
    rows.filter(({ matches, misses }) => matches.length > 0 && misses.length > 0).map(row => row.field),
  )
  for (const field of [...sources, ...operations]) {
    t.ok(complete.has(field), field)
    t.ok(complete.has(`not${field.charAt(0).toUpperCase()}${field.slice(1)}`), `not ${field}`)
  }
  for (const key of conditions) {
    t.ok(complete.has(`${key} values`), key)
    t.ok(complete.has(`${key} notValues`), `not ${key}`)
  }
})

t.test('each field of a rule means what the table says, for ALLOW and for DENY', async t => {
  for (const { field, rule, protocol, matches, misses } of rows) {
    const target = { ...ledger, protocol: protocol ?? 'http' } as const
    const config = (action: 'ALLOW' | 'DENY') => policyConfig([policy({ action, rules: [rule] })])
    const allow = compileAuthorization(config('ALLOW'), target)
    const deny = compileAuthorization(config('DENY'), target)
    for (const [texts, expected] of [[matches, true] as const, [misses, false] as const]) {
      for (const text of texts) {
        const call = policyCall(text, protocol)
        const said = `${field} ${JSON.stringify(rule)} ${JSON.stringify(text)}`
        t.equal(allow.judge(call).allowed, expected, said)
        t.equal(deny.judge(call).allowed, !expected, said)
        const [explained] = allow.explain(call)
        t.equal(explained?.matches, expected, said)
        t.equal(explained?.misses.length === 0, expected, said)
        t.ok(
          explained?.misses.every(miss => miss.field.startsWith('rules[0].') && miss.values.length > 0),
          said,
        )
      }
    }
  }
})

t.test('every condition that may be written can be enforced on a port of requests', async t => {
  for (const key of conditions) {
    t.ok(isConditionKey(key), key)
    const rules = [{ when: [{ key, values: [/ip$/.test(key) ? '10.0.0.1' : '80'] }] }]
    const [explained] = compileAuthorization(policyConfig([policy({ rules })]), ledger).explain(policyCall())
    t.same(explained?.unenforceable, [], key)
  }
  for (const key of ['request.host', 'source.labels[app]', 'request.headers[]', '']) t.notOk(isConditionKey(key), key)
})
