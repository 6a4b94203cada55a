import t from 'tap'
import { parseResources } from '../../../../mesh/resources/parse.ts'

function parse(spec: string) {
  return parseResources(
    `apiVersion: weft.dev/v1\nkind: ServiceMerge\nmetadata: { name: pay }\nspec:\n${spec.replace(/^/gm, '  ')}\n`,
    'merge.yaml',
  )
}

t.test('services or hosts with a rule make a ServiceMerge of the default namespace', async t => {
  const { resources, problems } = parse('services: [payments, "pay-*", "*", "shop/*", "*/api"]\nrule: error')
  t.same(problems, [])
  t.match(resources, [{ kind: 'ServiceMerge', metadata: { namespace: 'default', name: 'pay' } }])
  t.same(parse('hosts: [api.example, "*.internal.example"]\nrule: union').problems, [])
  t.same(parse('services: [a]\nrule: prefer\nprefer: consul').problems, [])
  t.same(parse('services: [a]\nrule: union\nweights: { consul: 90, nomad: 0 }').problems, [])
})

t.test('what is wrong is told by field and line', async t => {
  const cases: readonly [spec: string, path: string, line: number, message: RegExp][] = [
    ['rule: union', 'spec', 4, /services or hosts/],
    ['services: []\nrule: union', 'spec.services', 5, /at least 1/],
    ['services: [a]', 'spec.rule', 4, /is required/],
    ['services: [a]\nrule: merge', 'spec.rule', 6, /one of union, prefer, error/],
    ['services: [a]\nrule: prefer', 'spec.rule', 6, /needs the field prefer/],
    ['services: [a]\nrule: union\nprefer: consul', 'spec.prefer', 7, /means nothing with rule: union/],
    ['services: [a]\nrule: error\nweights: { consul: 1 }', 'spec.weights', 7, /means nothing with rule: error/],
    ['services: [a]\nrule: union\nweights: { consul: 0, nomad: 0 }', 'spec.weights', 7, /are all 0/],
    ['services: [a]\nrule: union\nweights: {}', 'spec.weights', 7, /are all 0 or none/],
    ['services: [a]\nrule: union\nweights:\n  consul: -1\n  nomad: 1', 'spec.weights.consul', 8, /at least 0/],
    ['services: [a]\nrule: union\nweights:\n  consul: 0.5', 'spec.weights.consul', 8, /whole number/],
    ['services: [a]\nrule: union\nweights:\n  Consul: 5', 'spec.weights.Consul', 8, /name of a registry/],
    ['services:\n  - My_Api\nrule: union', 'spec.services[0]', 6, /name of a service/],
    ['services:\n  - a/b/c\nrule: union', 'spec.services[0]', 6, /name of a service/],
    ['services:\n  - sh*p/c\nrule: union', 'spec.services[0]', 6, /name of a service/],
    ['hosts:\n  - "a.*.example"\nrule: union', 'spec.hosts[0]', 6, /host name/],
    ['hosts:\n  - "*"\nrule: union', 'spec.hosts[0]', 6, /host name/],
    ['hosts:\n  - API.example\nrule: union', 'spec.hosts[0]', 6, /lower case/],
  ]
  for (const [spec, path, line, message] of cases) {
    const { resources, problems } = parse(spec)
    t.same(resources, [], spec)
    t.match(problems, [{ path, line, message }], spec)
  }
})

t.test('a field with a typing mistake is told with the one that was meant', async t => {
  t.match(parse('services: [a]\nrule: union\nweight: { consul: 1 }').problems, [
    { path: 'spec.weight', line: 7, reason: 'unknown', didYouMean: 'weights' },
  ])
})
