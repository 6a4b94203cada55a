import t from 'tap'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import { createRanges } from '../../../../mesh/std/ip-ranges.ts'
import { judgeRegistrations } from '../../../../server/registrations/judge.ts'
import type { RegistrationRecord } from '../../../../server/store/store.ts'
import { workload } from '../../../support/catalogue.ts'

const group = `
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: pay, namespace: shop }
spec:
  metadata: { labels: { app: pay }, annotations: { weft.dev/user: pay } }
  template: { serviceAccount: pay, ports: { http: 8080, admin: 9090 }, locality: eu/a, weight: 3 }
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: anonymous, namespace: shop }
spec: { template: { ports: { http: 8080 } } }
`

function resources(text = group) {
  const { resources, problems } = parseResources(text, 'test.yaml')
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  return resources
}

function record(values: Partial<RegistrationRecord> = {}): RegistrationRecord {
  const base = { node: 'vm-1', name: 'pay-1', group: 'shop/pay', address: '10.0.0.1' }
  return { ...base, ports: {}, maintenance: '', since: 1, ...values }
}

function judge(list: readonly RegistrationRecord[], deps: Partial<Parameters<typeof judgeRegistrations>[1]> = {}) {
  const { admitted, problems } = judgeRegistrations(list, {
    resources: resources(),
    mayHold: () => true,
    at: () => [],
    ...deps,
  })
  return { entries: admitted.map(({ entry }) => entry), reasons: problems.map(({ reason }) => reason), problems }
}

t.test('a registration is the entry that an operator would have written', async t => {
  t.same(judge([record()]).entries, [
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'WorkloadEntry',
      metadata: {
        name: 'pay-1',
        namespace: 'shop',
        annotations: { 'weft.dev/group': 'pay', 'weft.dev/node': 'vm-1' },
      },
      spec: { address: '10.0.0.1' },
    },
  ])
})

t.test('its own ports go before the group’s, which stay where it says nothing', async t => {
  const { entries } = judge([record({ ports: { http: 81, extra: 82 } })])
  t.same(entries[0]?.spec.ports, { http: 81, admin: 9090, extra: 82 })
})

t.test('what is refused is named with its host and the reason', async t => {
  const rows: [Partial<RegistrationRecord>, RegExp][] = [
    [{ group: 'shop/none' }, /^there is no WorkloadGroup shop\/none$/],
    [{ group: 'default/pay' }, /^there is no WorkloadGroup default\/pay$/],
    [{ group: 'shop/anonymous' }, /names no serviceAccount/],
    [{ address: 'somewhere' }, /^its spec.address .*workloads of the mesh by name/],
    [{ address: '127.0.0.1' }, /127.0.0.1 means another host/],
    [{ address: '::1' }, /::1 means another host/],
    [{ name: 'NO' }, /^its metadata.name/],
    [{ ports: { 'a b': 1 } }, /^its spec.ports/],
  ]
  for (const [values, reason] of rows) {
    const { entries, problems } = judge([record(values)])
    t.same(entries, [], String(reason))
    t.match(problems, [{ item: /^registration .* of vm-1 for /, reason }])
  }
})

t.test('a host is only what something else lets it be', async t => {
  const asked: string[] = []
  const { entries, reasons } = judge([record(), record({ node: 'vm-2', name: 'pay-2', address: '10.0.0.2' })], {
    mayHold: (node, identity) => {
      asked.push(`${node} ${identity}`)
      return node === 'vm-2'
    },
  })
  t.same(asked, ['vm-1 shop/pay', 'vm-2 shop/pay'])
  t.same(
    entries.map(entry => entry.metadata.name),
    ['pay-2'],
  )
  t.match(reasons, [/^vm-1 may not be shop\/pay: neither its join token nor anything an operator wrote/])
})

t.test('of two that claim one name the older counts', async t => {
  const younger = record({ since: 5 })
  const older = record({ node: 'vm-2', since: 4, address: '10.0.0.2' })
  const { entries, problems } = judge([younger, older])
  t.match(entries, [{ metadata: { annotations: { 'weft.dev/node': 'vm-2' } } }])
  t.match(problems, [{ item: 'registration pay-1 of vm-1 for shop/pay', reason: /^vm-2 has registered/ }])
  t.equal(
    judge([younger, older], { mayHold: node => node === 'vm-1' }).entries.length,
    1,
    'a refused one claims nothing',
  )
})

t.test('a name that an operator wrote an entry for is his', async t => {
  const written = `${group}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: pay-1, namespace: shop }
spec: { address: 10.0.0.9 }
`
  t.match(judge([record()], { resources: resources(written) }).reasons, [/operator wrote WorkloadEntry shop\/pay-1/])
})

t.test('an address belongs to one host, which may have several workloads there', async t => {
  const two = [record(), record({ name: 'pay-2', ports: { http: 81 } })]
  t.equal(judge(two).entries.length, 2)
  const thief = record({ node: 'vm-2', name: 'pay-3', since: 2, address: '10.0.0.1' })
  t.match(judge([thief, ...two]).reasons, [/^its address 10.0.0.1 is registered by vm-1$/])
  t.match(
    judge([record({ address: 'fd00::1' }), record({ node: 'vm-2', name: 'x', since: 2, address: 'fd00:0:0::1' })])
      .reasons,
    [/^its address fd00::1 is registered by vm-1$/],
    'however it is spelt',
  )
})

t.test('an address outside of the ranges that operators allow is not to be had', async t => {
  const allowed = createRanges(['10.77.0.0/16'])
  const list = [record({ address: '10.77.0.5' }), record({ name: 'far', node: 'vm-2', address: '10.78.0.5' })]
  const { entries, reasons } = judge(list, { allowed })
  t.match(entries, [{ spec: { address: '10.77.0.5' } }])
  t.same(reasons, ['its address 10.78.0.5 is in none of the ranges of register.addresses'])
})

t.test('an address that another host has in another registry is not to be had', async t => {
  const others = [workload({ id: 'consul/db', node: 'vm-9', address: '10.0.0.1' })]
  t.match(judge([record()], { at: () => others }).reasons, [/^its address 10.0.0.1 is that of consul\/db on vm-9$/])
  const own = [
    workload({ id: 'consul/pay', node: 'vm-1' }),
    workload({ id: 'resources/x' }),
    workload({ id: 'hosts/shop/pay-1', node: 'vm-1' }),
  ]
  t.same(judge([record()], { at: () => own }).reasons, [])
})
