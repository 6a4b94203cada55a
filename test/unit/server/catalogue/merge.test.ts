import t from 'tap'
import { unknownLocality } from '../../../../mesh/model/locality.ts'
import type { Resolution } from '../../../../mesh/model/service.ts'
import { tableOf } from '../../../../mesh/std/table.ts'
import { createAssembly } from '../../../../server/catalogue/assembly.ts'
import { composeMergeRules, type MergeRulesText } from '../../../../server/catalogue/merge-rules.ts'
import { service, snapshotOf, workload } from '../../../support/catalogue.ts'

const files = snapshotOf(
  [service('api', ['files/api'], { hosts: ['a.example'] }), service('web')],
  [workload({ id: 'files/api' })],
)
const consul = snapshotOf(
  [service('api', ['consul/api'], { hosts: ['b.example'] })],
  [workload({ id: 'consul/api', address: '10.0.0.2' })],
)

function merge(text: Partial<MergeRulesText>, inputs = [files, consul]) {
  const names = ['files', 'consul']
  const registries = inputs.map((snapshot, index) => {
    return { name: names[index] ?? '', kind: 'consul', snapshot, held: tableOf() }
  })
  const rules = composeMergeRules({ rule: 'error', services: [], ...text }, [], names)
  return createAssembly('mesh')({ registries, rules, probed: tableOf(), reporting: tableOf(), now: 0 })
}

function endpointsOf(merged: ReturnType<typeof merge>) {
  return merged.services.get('default/api')?.endpoints.map(endpoint => endpoint.workload)
}

t.test('services and workloads of all registries come out ordered by key', async t => {
  const merged = merge({})
  t.same([...merged.services.keys()], ['default/api', 'default/web'])
  t.same([...merged.workloads.keys()], ['consul/api', 'files/api'])
  t.same(merged.services.get('default/web')?.registries, ['files'])
})

t.test('without a rule the first registry is believed and the collision is reported by name', async t => {
  const merged = merge({})
  t.same(endpointsOf(merged), ['files/api'])
  t.same(merged.services.get('default/api')?.registries, ['files', 'consul'])
  t.match(merged.problems, [{ item: 'consul: service default/api', reason: /also in registry files/ }])
})

t.test('union takes the endpoints and hosts of all', async t => {
  const merged = merge({ rule: 'union' })
  t.same(endpointsOf(merged), ['files/api', 'consul/api'])
  t.same(merged.services.get('default/api')?.hosts, ['a.example', 'b.example'])
  t.same(merged.problems, [])
})

t.test('union leaves out a registry whose ports differ, and says so', async t => {
  const other = snapshotOf([service('api', [], { ports: [{ name: 'http', port: 81, protocol: 'http' }] })], [])
  const merged = merge({ rule: 'union' }, [files, other])
  t.same(endpointsOf(merged), ['files/api'])
  t.match(merged.problems, [{ item: 'consul: service default/api', reason: /http=80\/http and http=81\/http/ }])
})

t.test('union asks DNS for the names of all, for each once, and mixes no ways of finding endpoints', async t => {
  const name = (host: string) => ({ name: host, ports: { http: 80 }, weight: 1, labels: {}, locality: unknownLocality })
  const found = (hosts: readonly string[], resolution: Resolution = 'dns') =>
    snapshotOf([service('api', [], { resolution, dnsEndpoints: hosts.map(name) })], [])
  const merged = merge({ rule: 'union' }, [found(['a.example', 'b.example']), found(['b.example', 'c.example'])])
  t.same(
    merged.services.get('default/api')?.dnsEndpoints?.map(endpoint => endpoint.name),
    ['a.example', 'b.example', 'c.example'],
  )
  const mixed = merge({ rule: 'union' }, [found(['a.example']), found(['b.example'], 'dns-round-robin')])
  t.same(mixed.services.get('default/api')?.dnsEndpoints, [name('a.example')])
  t.match(mixed.problems, [{ reason: /found in different ways \(dns and dns-round-robin\)/ }])
})

t.test('union never mixes what is in the mesh with what is not', async t => {
  const other = snapshotOf(
    [service('api', ['consul/api'], { location: 'external' })],
    [workload({ id: 'consul/api', address: '10.0.0.2' })],
  )
  const merged = merge({ rule: 'union' }, [files, other])
  t.same(endpointsOf(merged), ['files/api'])
  t.match(merged.problems, [{ reason: /one is mesh, the other external/ }])
})

t.test('prefer takes the preferred registry, and the first one when that does not know the service', async t => {
  t.same(endpointsOf(merge({ rule: 'prefer:consul' })), ['consul/api'])
  t.same(endpointsOf(merge({ rule: 'prefer:consul' }, [files, snapshotOf([], [])])), ['files/api'])
})

t.test('a rule for one service goes before the default', async t => {
  t.same(endpointsOf(merge({ services: ['default/api=prefer:consul'] })), ['consul/api'])
  t.same(endpointsOf(merge({ services: ['default/other=prefer:consul'] })), ['files/api'])
})

t.test('the result does not depend on the order in which a registry lists things', async t => {
  const turned = snapshotOf([...files.services.values()].reverse(), [...files.workloads.values()].reverse())
  t.same([...merge({}, [turned, consul]).services], [...merge({}).services])
})

t.test('problems carry the name of their registry', async t => {
  const merged = merge({}, [{ ...files, problems: [{ item: 'a.yaml:3:1', reason: 'no port' }] }])
  t.same(merged.problems, [{ item: 'files: a.yaml:3:1', reason: 'no port' }])
})

t.test('a rule that is none is refused by name', async t => {
  for (const [text, message] of [
    [{ rule: 'newest' }, /merge.rule: newest is no merge rule/],
    [{ rule: 'prefer:nomad' }, /prefer:nomad names no registry/],
    [{ services: ['api=union'] }, /merge.services: api=union/],
    [{ services: ['default/api=no'] }, /merge.services: no is no merge rule/],
  ] as const) {
    t.throws(() => merge(text), { code: 'WEFT_CONFIG_INVALID', message })
  }
})
