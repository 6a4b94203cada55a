import fc from 'fast-check'
import t from 'tap'
import type { RegistrySnapshot } from '../../../../mesh/model/catalogue.ts'
import { unknownLocality } from '../../../../mesh/model/locality.ts'
import type { DnsEndpoint } from '../../../../mesh/model/service.ts'
import type { Workload } from '../../../../mesh/model/workload.ts'
import { createRanges } from '../../../../mesh/std/ip-ranges.ts'
import type { ItemRules } from '../../../../server/catalogue/check-workload.ts'
import { createValidator } from '../../../../server/catalogue/validate.ts'
import { service, snapshotOf, workload } from '../../../support/catalogue.ts'

const virtualIps = createRanges(['240.240.0.0/16', 'fd77:6566:7400::/64'])
const rules = { trustDomain: 'mesh.local', virtualIps, trustCallers: true }
const validateSnapshot = (view: RegistrySnapshot, name: string, by: ItemRules) => createValidator(name, by)(view)
const good = workload({ id: 'r/good', address: '10.0.0.9' })

function judge(bad: Workload) {
  const result = validateSnapshot(snapshotOf([service('api', ['r/good', bad.id])], [good, bad]), 'r', rules)
  return {
    ids: result.workloads
      .values()
      .toArray()
      .map(({ id }) => id),
    problems: result.problems,
    services: result.services.values().toArray(),
  }
}

t.test('a workload that cannot be routed to is left out by name, everything else stays', async t => {
  const cases: readonly (readonly [string, Partial<Workload>, RegExp])[] = [
    ['no address', { address: '' }, /not an IP address/],
    ['a name instead of an address', { address: 'db.example' }, /not an IP address/],
    ['a zone id', { address: 'fe80::1%eth0' }, /not an IP address/],
    ['an IPv4 address in IPv6 clothes', { address: '::ffff:169.254.169.254' }, /not an IP address/],
    ['the metadata service', { address: '169.254.169.254' }, /cloud metadata/],
    ['the metadata service over IPv6', { address: 'fd00:ec2::254' }, /cloud metadata/],
    ['the metadata service through NAT64', { address: '64:ff9b::a9fe:a9fe' }, /hides an IPv4/],
    ['link-local', { address: '169.254.1.1' }, /link-local/],
    ['link-local IPv6', { address: 'fe80::1' }, /link-local/],
    ['the unspecified address', { address: '0.0.0.0' }, /unspecified/],
    ['the unspecified IPv6 address', { address: '::' }, /unspecified/],
    ['multicast', { address: '224.0.0.1' }, /multicast/],
    ['broadcast', { address: '255.255.255.255' }, /broadcast/],
    ['another service’s virtual IP', { address: '240.240.3.4' }, /virtual IP/],
    ['another service’s IPv6 virtual IP', { address: 'FD77:6566:7400:0::1' }, /virtual IP/],
    ['loopback without an identity to check', { address: '127.0.0.1' }, /loopback/],
    ['a weight that is no number', { weight: Number.NaN }, /weight NaN/],
    ['a negative weight', { weight: -1 }, /weight -1/],
    ['an endless weight', { weight: Number.POSITIVE_INFINITY }, /weight Infinity/],
    ['a namespace that is none', { namespace: 'a/b' }, /namespace/],
    ['a name with a line break', { name: 'x\ny' }, /no name/],
    ['a service account that is no identity', { serviceAccount: '../root' }, /cannot be an identity/],
    ['a service account that has no server name', { serviceAccount: 'a.b.ns.c' }, /cannot be an identity/],
    ['a node that is no name', { node: 'a b' }, /name of a node/],
    ['a megabyte of labels', { labels: { note: 'x'.repeat(1_000_000) } }, /labels are longer/],
    [
      'thousands of labels',
      { labels: Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`l${i}`, ''])) },
      /5000 labels/,
    ],
    ['the name of another registry', { id: 'other/bad' }, /not of this registry/],
  ]
  for (const [title, wrong, reason] of cases) {
    const { ids, problems, services } = judge(workload({ id: 'r/bad', address: '10.0.0.8', ...wrong }))
    t.same(ids, ['r/good'], title)
    t.equal(problems.length, 1, `${title}: one problem`)
    t.match(problems[0]?.reason, reason, `${title}: reason`)
    t.match(problems[0]?.item, /workload .*bad/, `${title}: item`)
    t.ok((problems[0]?.reason.length ?? 0) < 300, `${title}: a short reason`)
    t.same(
      services[0]?.endpoints.map(endpoint => endpoint.workload),
      ['r/good'],
      `${title}: endpoint gone too`,
    )
  }
})

t.test('loopback is taken for a workload that proves itself on arrival', async t => {
  const { ids } = judge(workload({ id: 'r/local', address: '127.0.0.1', node: 'vm-1', serviceAccount: 'api' }))
  t.same(ids, ['r/good', 'r/local'])
})

t.test('addresses come out in one spelling', async t => {
  const found = validateSnapshot(snapshotOf([], [workload({ id: 'r/six', address: 'FD00:0::0:1' })]), 'r', rules)
  t.equal(found.workloads.get('r/six')?.address, 'fd00::1')
})

t.test('of two workloads with one id the first stays', async t => {
  const twice = [workload({ id: 'r/a', address: '10.0.0.1' }), workload({ id: 'r/a', address: '10.0.0.2' })]
  const found = validateSnapshot(snapshotOf([], twice), 'r', rules)
  t.same(
    found.workloads
      .values()
      .toArray()
      .map(({ address }) => address),
    ['10.0.0.1'],
  )
  t.match(found.problems, [{ item: 'workload r/a', reason: /listed twice/ }])
})

t.test('the bad parts of a service are left out, its good ones stay', async t => {
  const bad = service('api', ['r/good'], {
    hosts: ['api.example.com', 'not a host'],
    addresses: ['192.0.2.1', '169.254.169.254', '240.240.0.7', '0.0.0.0/0', '192.0.2.0/24', '10.0.0.0/99'],
    ports: [
      { name: 'http', port: 80, protocol: 'http' },
      { name: 'zero', port: 0, protocol: 'tcp' },
      { name: 'http', port: 81, protocol: 'tcp' },
      { name: 'again', port: 80, protocol: 'tcp' },
    ],
    endpoints: [
      { workload: 'r/good', ports: { http: 8080 } },
      { workload: 'r/nobody', ports: { http: 8080 } },
      { workload: 'r/good', ports: { http: 0 } },
      { workload: 'r/good', ports: { zero: 90 } },
    ],
  })
  const found = validateSnapshot(snapshotOf([bad], [good]), 'r', rules)
  const [kept] = found.services.values()
  t.same(kept?.hosts, ['api.example.com'])
  t.same(kept?.addresses, ['192.0.2.1', '192.0.2.0/24'])
  t.same(kept?.ports, [{ name: 'http', port: 80, protocol: 'http' }])
  t.same(kept?.endpoints, [{ workload: 'r/good', ports: { http: 8080 } }])
  t.equal(found.problems.length, 11)
  t.ok(found.problems.every(({ item }) => item === 'service default/api'))
})

t.test('a service without one good port is left out', async t => {
  const bad = service('api', [], { ports: [{ name: 'http', port: 70_000, protocol: 'http' }] })
  t.same(
    validateSnapshot(snapshotOf([bad, service('ok')], []), 'r', rules)
      .services.values()
      .toArray(),
    [service('ok')],
  )
})

t.test('what is all right is handed on as the same object', async t => {
  const api = service('api', ['r/good'])
  const found = validateSnapshot(snapshotOf([api], [good]), 'r', rules)
  t.equal(found.services.values().next().value, api)
  t.equal(found.workloads.values().next().value, good)
  t.same(found.problems, [])
})

t.test('the list of problems is bounded', async t => {
  const bad = Array.from({ length: 5000 }, (_, index) => workload({ id: `r/w${index}`, address: 'x' }))
  const { problems } = validateSnapshot(snapshotOf([], bad), 'r', rules)
  t.equal(problems.length, 1001)
  t.match(problems.at(-1)?.reason, /4000 further/)
})

t.test('no text of a registry makes it throw', async () => {
  const text = fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.constantFrom('__proto__', 'constructor'))
  fc.assert(
    fc.property(text, text, text, fc.double(), fc.integer(), (name, address, label, weight, port) => {
      const odd = workload({ id: `r/${name}`, name, address, weight, namespace: label, labels: { [label]: name } })
      const owner = service(name, [odd.id], {
        hosts: [address],
        addresses: [address],
        ports: [{ name: label, port, protocol: 'tcp' }],
      })
      validateSnapshot(snapshotOf([owner], [odd]), 'r', rules)
    }),
  )
})

t.test('what a registry says of local processes counts only where the operator trusts it with that', async t => {
  const caller = workload({ id: 'r/web', address: '10.0.0.8', callers: [{ kind: 'uid', uid: 1000 }] })
  const snapshot = snapshotOf([], [caller, good])
  t.strictSame(validateSnapshot(snapshot, 'r', rules).workloads.values().toArray(), [good, caller])
  const doubted = validateSnapshot(snapshot, 'r', { ...rules, trustCallers: false })
  t.strictSame(doubted.workloads.values().toArray(), [good, { ...caller, callers: [] }], 'the workload itself stays')
  t.match(doubted.problems, [{ item: 'workload r/web', reason: /trustCallers/ }])
  t.equal(doubted.problems.length, 1)
})

t.test('an endpoint that DNS cannot be asked for is left out by name, the others stay', async t => {
  const one = { name: 'a.example', ports: { http: 80 }, weight: 1, labels: {}, locality: unknownLocality }
  const bad: readonly (readonly [DnsEndpoint, RegExp])[] = [
    [{ ...one, name: '*.example' }, /no name that DNS can be asked for/],
    [{ ...one, name: 'a b' }, /no name that DNS can be asked for/],
    [{ ...one, ports: { http: 0 } }, /"http" on port 0/],
    [{ ...one, ports: { other: 80 } }, /"other" on port 80/],
    [{ ...one, weight: Number.NaN }, /weight NaN/],
    [{ ...one, labels: { note: 'x'.repeat(100_000) } }, /labels are longer/],
  ]
  for (const [endpoint, reason] of bad) {
    const given = service('api', [], { location: 'external', resolution: 'dns', dnsEndpoints: [endpoint, one] })
    const result = validateSnapshot(snapshotOf([given], []), 'r', rules)
    t.same(result.services.get('default/api')?.dnsEndpoints, [one])
    t.match(result.problems, [{ item: 'service default/api', reason }])
  }
  const given = service('api', [], { hosts: ['*.api.example'], resolution: 'dns', dnsEndpoints: [one] })
  const whole = snapshotOf([given], [])
  t.equal(validateSnapshot(whole, 'r', rules).services.get('default/api'), whole.services.get('default/api'))
})
