import t from 'tap'
import type { RegistrySnapshot } from '../../../../mesh/model/catalogue.ts'
import { probeDefaults } from '../../../../mesh/model/probe.ts'
import { type Table, tableOf } from '../../../../mesh/std/table.ts'
import { type AssemblyInput, createAssembly } from '../../../../server/catalogue/assembly.ts'
import type { MergeRules } from '../../../../server/catalogue/merge-rules.ts'
import type { NodeRegistrations, ProbedHealth } from '../../../../server/health/host-reports.ts'
import { service, snapshotOf, workload } from '../../../support/catalogue.ts'

function rulesOf(weights?: Readonly<Record<string, number>>): MergeRules {
  const rule = {
    kind: 'union' as const,
    ...(weights === undefined ? {} : { weights: new Map(Object.entries(weights)) }),
  }
  return { ruleFor: () => ({ rule, from: 'a test' }) }
}

function inputOf(
  snapshots: Readonly<Record<string, RegistrySnapshot>>,
  given: Partial<Omit<AssemblyInput, 'registries'>> & { readonly held?: Table<unknown> } = {},
): AssemblyInput {
  const { held = tableOf(), ...rest } = given
  const registries = Object.entries(snapshots).map(([name, snapshot]) => ({ name, kind: name, snapshot, held }))
  return { registries, rules: rulesOf(), probed: tableOf(), reporting: tableOf(), now: 1000, ...rest }
}

const probe = { ...probeDefaults, check: { kind: 'tcp' as const, port: 8080 } }
const reports = (node: string): Table<NodeRegistrations> =>
  tableOf([[node, { node, connected: true, registrations: [] }]])
const found = (id: string, node: string, healthy: boolean): Table<readonly ProbedHealth[]> =>
  tableOf([[id, [{ node, healthy, reason: 'connection refused', since: 0 }]]])

const consul = snapshotOf(
  [service('api', ['consul/1', 'consul/2'])],
  [workload({ id: 'consul/1', address: '10.0.0.1' }), workload({ id: 'consul/2', address: '10.0.0.2' })],
)
const nomad = snapshotOf([service('api', ['nomad/1'])], [workload({ id: 'nomad/1', address: '10.0.0.9' })])

function sharesOf(assembled: ReturnType<ReturnType<typeof createAssembly>>) {
  return assembled.services.get('default/api')?.endpoints.map(({ workload, weight }) => [workload, weight])
}

t.test('with weights each registry has its share, divided among its endpoints', async t => {
  const assemble = createAssembly('mesh')
  const first = assemble(inputOf({ consul, nomad }, { rules: rulesOf({ consul: 90, nomad: 10 }) }))
  t.same(sharesOf(first), [
    ['consul/1', 450_000],
    ['consul/2', 450_000],
    ['nomad/1', 100_000],
  ])
  const moved = assemble(inputOf({ consul, nomad }, { rules: rulesOf({ consul: 0, nomad: 100 }) }))
  t.same(sharesOf(moved), [
    ['consul/1', 0],
    ['consul/2', 0],
    ['nomad/1', 1_000_000],
  ])
})

t.test('the healthy endpoints of a registry have its whole share between them', async t => {
  const assemble = createAssembly('mesh')
  const rules = rulesOf({ consul: 50, nomad: 50 })
  assemble(inputOf({ consul, nomad }, { rules }))
  const sick = snapshotOf(
    [service('api', ['consul/1', 'consul/2'])],
    [
      workload({ id: 'consul/1', address: '10.0.0.1', health: 'unhealthy' }),
      workload({ id: 'consul/2', address: '10.0.0.2' }),
    ],
  )
  const after = assemble(inputOf({ consul: sick, nomad }, { rules }))
  t.same(sharesOf(after)?.slice(1), [
    ['consul/2', 500_000],
    ['nomad/1', 500_000],
  ])
})

t.test('a registry without a weight gets nothing, and that is said', async t => {
  const { services, problems } = createAssembly('mesh')(inputOf({ consul, nomad }, { rules: rulesOf({ consul: 1 }) }))
  t.same(services.get('default/api')?.endpoints.at(-1), { workload: 'nomad/1', ports: { http: 8080 }, weight: 0 })
  t.match(problems, [{ item: 'nomad: service default/api', reason: /no weight/ }])
})

t.test('an instance that two registries know is one endpoint, the one that can prove who it is', async t => {
  const proven = { id: 'nomad/1', address: '10.0.0.1', node: 'vm-1', serviceAccount: 'api' }
  const same = snapshotOf([service('api', ['nomad/1'])], [workload(proven)])
  const assemble = createAssembly('mesh')
  const united = assemble(inputOf({ consul, nomad: same }))
  t.same(
    united.services.get('default/api')?.endpoints.map(one => one.workload),
    ['nomad/1', 'consul/2'],
  )
  const weighed = assemble(inputOf({ consul, nomad: same }, { rules: rulesOf({ consul: 50, nomad: 50 }) }))
  t.same(sharesOf(weighed), [
    ['nomad/1', 750_000],
    ['consul/2', 250_000],
  ])
})

t.test('an instance that moves to the address of another is recognised although no service has changed', async t => {
  const assemble = createAssembly('mesh')
  assemble(inputOf({ consul, nomad }))
  const moved = { ...nomad, workloads: tableOf([['nomad/1', workload({ id: 'nomad/1', address: '10.0.0.1' })]]) }
  const after = assemble(inputOf({ consul, nomad: moved }))
  t.same(
    after.services.get('default/api')?.endpoints.map(one => one.workload),
    ['consul/1', 'consul/2'],
  )
})

t.test('what has not changed is the same object in the next catalogue', async t => {
  const assemble = createAssembly('mesh')
  const before = assemble(inputOf({ consul, nomad }))
  const changed = {
    ...consul,
    workloads: consul.workloads.with([
      ['consul/2', workload({ id: 'consul/2', address: '10.0.0.2', health: 'unhealthy' })],
    ]),
  }
  const after = assemble(inputOf({ consul: changed, nomad }, { now: 5000 }))
  t.equal(after.workloads.get('consul/1'), before.workloads.get('consul/1'))
  t.equal(after.services, before.services)
  t.equal(after.problems, before.problems)
  t.match(after.workloads.get('consul/2'), { health: 'unhealthy', since: 1000, healthSince: 5000 })
})

t.test('a check of the mesh goes before the registry, but does not end a draining', async t => {
  const of = (health: 'healthy' | 'unhealthy' | 'draining') => {
    return snapshotOf([], [workload({ id: 'consul/1', node: 'vm-1', health, healthReason: 'said so', probe })])
  }
  const judged = (health: 'healthy' | 'unhealthy' | 'draining', healthy: boolean) => {
    const input = inputOf({ consul: of(health) }, { probed: found('consul/1', 'vm-1', healthy) })
    return createAssembly('mesh')(input).workloads.get('consul/1')
  }
  t.match(judged('unhealthy', true), { health: 'healthy', healthFrom: 'probe' })
  t.notOk('healthReason' in (judged('unhealthy', true) ?? {}))
  t.match(judged('healthy', false), { health: 'unhealthy', healthFrom: 'probe', healthReason: 'connection refused' })
  t.match(judged('draining', true), { health: 'draining', healthFrom: 'consul', healthReason: 'said so' })
})

t.test('a host is not heard about workloads of other hosts, nor about those without a check', async t => {
  const health = { probed: found('consul/1', 'vm-2', false) }
  const elsewhere = snapshotOf([], [workload({ id: 'consul/1', node: 'vm-1', probe })])
  t.match(createAssembly('mesh')(inputOf({ consul: elsewhere }, health)).workloads.get('consul/1'), {
    health: 'healthy',
    healthFrom: 'consul',
  })
  const unchecked = snapshotOf([], [workload({ id: 'consul/1', node: 'vm-2' })])
  t.match(createAssembly('mesh')(inputOf({ consul: unchecked }, health)).workloads.get('consul/1'), {
    health: 'healthy',
  })
})

t.test('a new workload waits for its first check, one that is in use does not', async t => {
  const one = snapshotOf([], [workload({ id: 'consul/1', node: 'vm-1', probe })])
  const assemble = createAssembly('mesh')
  const early = assemble(inputOf({ consul: one }))
  t.equal(early.workloads.get('consul/1')?.health, 'healthy', 'its agent is not heard of yet')
  const heard = assemble(inputOf({ consul: one }, { reporting: reports('vm-1') }))
  t.equal(heard.workloads.get('consul/1')?.health, 'healthy', 'a server that starts anew forgets no health')
  const fresh = createAssembly('mesh')(inputOf({ consul: one }, { reporting: reports('vm-1') }))
  t.match(fresh.workloads.get('consul/1'), { health: 'unhealthy', healthReason: /has not answered yet/ })
})

t.test('where nobody checks, health is assumed', async t => {
  const files = snapshotOf([], [workload({ id: 'static/1' })])
  t.equal(createAssembly('mesh')(inputOf({ static: files })).workloads.get('static/1')?.healthFrom, 'assumed')
})

t.test('what is held is marked', async t => {
  const assemble = createAssembly('mesh')
  t.equal(assemble(inputOf({ consul })).workloads.get('consul/1')?.held, false)
  const held = assemble(inputOf({ consul }, { held: tableOf([['consul/1', true]]) }))
  t.equal(held.workloads.get('consul/1')?.held, true)
  t.equal(held.workloads.get('consul/2')?.held, false)
})
