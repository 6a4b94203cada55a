import t from 'tap'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import { composeMergeRules, type MergeRulesText } from '../../../../server/catalogue/merge-rules.ts'

const registries = ['resources', 'consul', 'nomad']

/** A ServiceMerge as operators write it, one line each. */
function serviceMerge(name: string, spec: string, { at = '', namespace = 'default' } = {}): string {
  const time = at === '' ? '' : `, creationTimestamp: "${at}"`
  const metadata = `metadata: { name: ${name}, namespace: ${namespace}${time} }`
  return `apiVersion: weft.dev/v1\nkind: ServiceMerge\n${metadata}\nspec: ${spec}\n`
}

function rulesOf(documents: readonly string[], config: Partial<MergeRulesText> = {}) {
  const { resources, problems } = parseResources(documents.join('---\n'), 'test.yaml')
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  return composeMergeRules(
    { rule: 'error', services: [], rootNamespace: 'weft-system', ...config },
    resources,
    registries,
  )
}

function target(key: string, hosts: readonly string[] = []) {
  const [namespace = '', name = ''] = key.split('/')
  return { namespace, name, hosts }
}

t.test('without any other word the default of the configuration holds', async t => {
  t.same(rulesOf([]).ruleFor(target('default/api')), { rule: { kind: 'error' }, from: 'merge.rule' })
  const rules = rulesOf([], { rule: 'prefer:consul' })
  t.same(rules.ruleFor(target('default/api')).rule, { kind: 'prefer', registry: 'consul' })
})

t.test('a setting for one service, or for a pattern, goes before the default', async t => {
  const rules = rulesOf([], { services: ['shop/*=union', '*/api=prefer:nomad', 'shop/db=error'] })
  t.same(rules.ruleFor(target('shop/db')), { rule: { kind: 'error' }, from: 'merge.services' })
  t.same(rules.ruleFor(target('shop/web')), { rule: { kind: 'union' }, from: 'merge.services' })
  t.same(rules.ruleFor(target('other/api')).rule, { kind: 'prefer', registry: 'nomad' })
  t.same(rules.ruleFor(target('other/web')).from, 'merge.rule')
})

t.test('a resource says what holds for services of its namespace, with shares', async t => {
  const rules = rulesOf([
    serviceMerge('pay', '{ services: [payments], rule: union, weights: { consul: 90, nomad: 10 } }'),
  ])
  const { rule, from } = rules.ruleFor(target('default/payments'))
  t.equal(from, 'ServiceMerge default/pay')
  t.same(rule.kind === 'union' && [...(rule.weights ?? [])], [
    ['consul', 90],
    ['nomad', 10],
  ])
  t.equal(rules.ruleFor(target('shop/payments')).from, 'merge.rule')
})

t.test('the exact name goes before a host, a host before patterns, a longer pattern before a shorter one', async t => {
  const rules = rulesOf([
    serviceMerge('all', '{ services: ["*"], rule: union }'),
    serviceMerge('some', '{ services: ["pay*"], rule: union }'),
    serviceMerge('below', '{ hosts: ["*.internal.example"], rule: union }'),
    serviceMerge('host', '{ hosts: [pay.internal.example], rule: union }'),
    serviceMerge('exact', '{ services: [payments], rule: union }'),
  ])
  const hosts = ['pay.internal.example']
  t.equal(rules.ruleFor(target('default/payments', hosts)).from, 'ServiceMerge default/exact')
  t.equal(rules.ruleFor(target('default/payroll', hosts)).from, 'ServiceMerge default/host')
  t.equal(rules.ruleFor(target('default/payroll', ['x.internal.example'])).from, 'ServiceMerge default/below')
  t.equal(rules.ruleFor(target('default/payroll')).from, 'ServiceMerge default/some')
  t.equal(rules.ruleFor(target('default/web')).from, 'ServiceMerge default/all')
  t.equal(rules.ruleFor(target('shop/payments', hosts)).from, 'merge.rule')
})

t.test('a host pattern takes names below its domain, not the domain itself or others that end alike', async t => {
  const rules = rulesOf([serviceMerge('below', '{ hosts: ["*.internal.example"], rule: union }')])
  const from = (host: string) => rules.ruleFor(target('default/a', [host])).from
  t.equal(from('a.b.internal.example'), 'ServiceMerge default/below')
  t.equal(from('internal.example'), 'merge.rule')
  t.equal(from('notinternal.example'), 'merge.rule')
})

t.test('of equally specific resources the older one holds, then the one whose name comes first', async t => {
  const rules = rulesOf([
    serviceMerge('a', '{ services: ["pay-*"], rule: union }', { at: '2026-02-01T00:00:00Z' }),
    serviceMerge('c', '{ services: ["pay-*"], rule: union }', { at: '2026-01-01T00:00:00Z' }),
    serviceMerge('b', '{ services: ["pay-*"], rule: union }', { at: '2026-01-01T00:00:00Z' }),
    serviceMerge('y', '{ hosts: [two.example], rule: union }', { at: '2026-01-02T00:00:00Z' }),
    serviceMerge('z', '{ hosts: [one.example], rule: union }', { at: '2026-01-01T00:00:00Z' }),
  ])
  t.equal(rules.ruleFor(target('default/pay-in')).from, 'ServiceMerge default/b')
  t.equal(rules.ruleFor(target('default/x', ['two.example', 'one.example'])).from, 'ServiceMerge default/z')
})

t.test('a resource goes before a setting for the same service', async t => {
  const rules = rulesOf([serviceMerge('pay', '{ services: [payments], rule: union }')], {
    services: ['default/payments=prefer:consul'],
  })
  t.equal(rules.ruleFor(target('default/payments')).from, 'ServiceMerge default/pay')
})

t.test('only the root namespace speaks of services of other namespaces', async t => {
  const spec = '{ services: [shop/payments, "*/db"], hosts: [a.example], rule: union }'
  const root = rulesOf([serviceMerge('all', spec, { namespace: 'weft-system' })])
  t.equal(root.ruleFor(target('shop/payments')).from, 'ServiceMerge weft-system/all')
  t.equal(root.ruleFor(target('shop/db')).from, 'ServiceMerge weft-system/all')
  t.equal(root.ruleFor(target('shop/other', ['a.example'])).from, 'ServiceMerge weft-system/all')
  const other = rulesOf([serviceMerge('all', spec)])
  t.equal(other.ruleFor(target('shop/payments')).from, 'merge.rule')
  t.equal(other.ruleFor(target('shop/db')).from, 'merge.rule')
  t.equal(other.ruleFor(target('shop/other', ['a.example'])).from, 'merge.rule')
})

t.test('a setting that is no rule is refused by name', async t => {
  for (const [text, message] of [
    [{ rule: 'newest' }, /merge.rule: newest is no merge rule/],
    [{ rule: 'prefer:vault' }, /prefer:vault names no registry/],
    [{ services: ['api=union'] }, /merge.services: api=union/],
    [{ services: ['default/a.b=union'] }, /merge.services: default\/a.b=union/],
    [{ services: ['default/api=no'] }, /merge.services: no is no merge rule/],
  ] as const) {
    t.throws(() => rulesOf([], text), { code: 'WEFT_CONFIG_INVALID', message })
  }
})
