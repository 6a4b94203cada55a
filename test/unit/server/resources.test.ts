import t, { type Test } from 'tap'
import type { KnownService } from '../../../mesh/analyze/finding.ts'
import type { KnownWorkload } from '../../../mesh/policy/policy-conflicts.ts'
import { openResources } from '../../../server/resources.ts'
import { openSqliteStore } from '../../../server/store/sqlite.ts'
import { FakeClock } from '../../fakes/clock.ts'
import { recordedLog } from '../../support/recorded-log.ts'

interface PolicyText {
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly mode?: string
  readonly created?: string
}

function policy(name: string, { namespace = 'default', labels, mode = 'STRICT', created }: PolicyText = {}): string {
  return JSON.stringify({
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name, namespace, ...(created !== undefined && { creationTimestamp: created }) },
    spec: { mtls: { mode }, ...(labels !== undefined && { selector: { matchLabels: labels } }) },
  })
}

const entry = (name: string, labels: Readonly<Record<string, string>>) =>
  JSON.stringify({
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    metadata: { name, namespace: 'default' },
    spec: { address: '10.0.0.1', labels },
  })

const merge = (name: string, spec: object, namespace = 'default') =>
  JSON.stringify({ apiVersion: 'weft.dev/v1', kind: 'ServiceMerge', metadata: { name, namespace }, spec })

const documents = (...texts: readonly string[]) => texts.join('\n---\n')

async function open(t: Test, workloads: readonly KnownWorkload[] = [], services?: readonly KnownService[]) {
  const clock = new FakeClock()
  const log = recordedLog()
  const store = openSqliteStore(':memory:', { log })
  t.teardown(() => store.close())
  const registries = ['resources', 'consul', 'nomad']
  const known = { workloads: () => workloads, services: () => services }
  const options = { clock, log, rootNamespace: 'weft-system', registries, ...known }
  const reopen = () => openResources(store.resources, options)
  const resources = await reopen()
  t.teardown(() => resources.stop())
  const apply = async (text: string, dryRun = false) => (await resources.apply(text, 'a.yaml', { dryRun })).applied
  return { clock, log, store, resources, apply, reopen }
}

t.test('creates, updates and leaves alone what is the same', async t => {
  const { apply, resources } = await open(t)
  t.same(await apply(policy('a')), [{ kind: 'PeerAuthentication', namespace: 'default', name: 'a', change: 'created' }])
  t.match(await apply(policy('a')), [{ change: 'unchanged' }])
  t.match(await apply(policy('a', { mode: 'PERMISSIVE' })), [{ change: 'updated' }])
  t.match(resources.current.value, [{ metadata: { name: 'a' }, spec: { mtls: { mode: 'PERMISSIVE' } } }])
  t.equal((await resources.list()).length, 1)
})

t.test('a dry run says the same and writes nothing', async t => {
  const { apply, resources } = await open(t)
  t.match(await apply(policy('a'), true), [{ change: 'created' }])
  t.same(resources.current.value, [])
  t.same(await resources.list(), [])
  await t.rejects(apply(documents(policy('a'), policy('b')), true), { code: 'WEFT_RESOURCE_CONFLICT' })
})

t.test('one bad document and nothing of the text is applied', async t => {
  const { apply, resources } = await open(t)
  const text = `${policy('good')}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: bad, namespace: other }
spec:
  mtls:
    mod: STRICT
`
  await t.rejects(apply(text), {
    code: 'WEFT_RESOURCE_INVALID',
    message: /^a\.yaml:8:5: .*mod.*did you mean mode\?/,
    fields: { problems: [/a\.yaml:8:5/] },
  })
  t.same(resources.current.value, [])
})

t.test('a text without a resource, or with one twice, is refused', async t => {
  const { apply } = await open(t)
  await t.rejects(apply('# nothing\n'), { code: 'WEFT_RESOURCE_INVALID', message: 'a.yaml has no resource' })
  await t.rejects(apply(documents(policy('a'), policy('a'))), {
    code: 'WEFT_RESOURCE_CONFLICT',
    message: 'a.yaml has PeerAuthentication default/a twice',
  })
})

t.test('a second policy for a scope is refused, naming both and the scope', async t => {
  const { apply, resources } = await open(t)
  await apply(documents(policy('first'), policy('mesh', { namespace: 'weft-system' })))
  await t.rejects(apply(documents(policy('fine', { namespace: 'shop' }), policy('second'))), {
    code: 'WEFT_RESOURCE_CONFLICT',
    message: /default\/second and .*default\/first are both for namespace default/,
    fields: { policy: 'default/second', winner: 'default/first' },
    next: /nothing was applied/,
  })
  await t.rejects(apply(policy('second', { namespace: 'weft-system' })), { message: /the whole mesh/ })
  t.equal(resources.current.value.length, 2, 'and nothing of the text was applied')
  t.ok(await resources.remove('PeerAuthentication', 'default', 'first'))
  t.match(await apply(policy('second')), [{ change: 'created' }])
})

t.test('selectors that meet at a workload of a registry are refused, naming it', async t => {
  const both = { namespace: 'default', name: 'api-1', labels: { app: 'api', tier: 'back' } }
  const { apply } = await open(t, [both])
  await apply(policy('by-app', { labels: { app: 'api' } }))
  await t.rejects(apply(policy('by-tier', { labels: { tier: 'back' } })), {
    code: 'WEFT_RESOURCE_CONFLICT',
    message: /by-tier and .*by-app are both for workload default\/api-1/,
  })
  t.match(await apply(policy('by-tier', { labels: { tier: 'front' } })), [{ change: 'created' }])
  t.match(await apply(policy('shop', { namespace: 'shop', labels: { tier: 'back' } })), [{ change: 'created' }])
})

t.test('selectors that meet at a workload of the same file are refused', async t => {
  const { apply, resources } = await open(t)
  const text = documents(
    entry('api-1', { app: 'api', tier: 'back' }),
    policy('by-app', { labels: { app: 'api' } }),
    policy('by-tier', { labels: { tier: 'back' } }),
  )
  await t.rejects(apply(text), { message: /workload default\/api-1/ })
  t.same(resources.current.value, [])
})

t.test('a conflict that is there already does not stand in the way of other writes', async t => {
  const { apply, store, clock, resources } = await open(t)
  const write = (name: string) => ({
    kind: 'PeerAuthentication',
    namespace: 'default',
    name,
    document: policy(name),
  })
  await store.resources.put([write('first'), write('second')], clock.now())
  t.match(await apply(entry('api-1', { app: 'api' })), [{ change: 'created' }])
  t.equal(resources.current.value.length, 3)
})

t.test('policies carry the time of their first write, so that the oldest wins', async t => {
  const { apply, resources, clock, reopen } = await open(t)
  const created = new Date(clock.now()).toISOString()
  await apply(policy('a'))
  await clock.advance(60_000)
  await apply(policy('a', { mode: 'PERMISSIVE' }))
  await apply(policy('old', { namespace: 'shop', created: '2020-01-01T00:00:00Z' }))
  const times = () => resources.current.value.map(one => [one.metadata.name, one.metadata.creationTimestamp])
  t.same(times(), [
    ['a', created],
    ['old', '2020-01-01T00:00:00Z'],
  ])
  t.notMatch((await resources.list())[0]?.document, /creationTimestamp/, 'what is stored is what was written')
  t.match(await apply(policy('a', { mode: 'PERMISSIVE' })), [{ change: 'unchanged' }])
  const again = await reopen()
  t.teardown(() => again.stop())
  t.same(again.current.value, resources.current.value)
})

t.test('of two writers at once that collide exactly one succeeds', async t => {
  const { apply, resources } = await open(t)
  const results = await Promise.allSettled(['a', 'b', 'c'].map(name => apply(policy(name))))
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  t.equal(resources.current.value.length, 1)
})

t.test('removing says whether it was there', async t => {
  const { apply, resources } = await open(t)
  await apply(policy('a'))
  t.ok(await resources.remove('PeerAuthentication', 'default', 'a'))
  t.same(resources.current.value, [])
  t.notOk(await resources.remove('PeerAuthentication', 'default', 'a'))
})

t.test('a stored document that cannot be read is left out and named', async t => {
  const { apply, store, clock, resources, log } = await open(t)
  await apply(policy('good'))
  const document = '{"kind":"Nonsense"}'
  await store.resources.put([{ kind: 'Nonsense', namespace: 'default', name: 'bad', document }], clock.now())
  t.same(
    resources.current.value.map(one => one.metadata.name),
    ['good'],
  )
  t.match(await apply(policy('other', { namespace: 'shop' })), [{ change: 'created' }])
  t.ok(log.lines.some(line => line.level === 'error' && line.fields.file === 'Nonsense default/bad'))
})

t.test('a merge rule that names a registry or a namespace it cannot is refused at its place', async t => {
  const { apply, resources } = await open(t)
  const text = `
apiVersion: weft.dev/v1
kind: ServiceMerge
metadata: { name: pay }
spec:
  services: [payments, shop/payments]
  rule: union
  weights:
    consul: 90
    nomadd: 10
`
  await t.rejects(apply(text), {
    code: 'WEFT_RESOURCE_INVALID',
    fields: {
      problems: [
        /^a\.yaml:6:24: spec\.services\[1\]: is of another namespace, .* weft-system/,
        /^a\.yaml:10:5: spec\.weights\.nomadd: nomadd is no registry of this server, .* did you mean nomad\?/,
      ],
    },
  })
  await t.rejects(apply(merge('pay', { services: ['pay'], rule: 'prefer', prefer: 'vault' })), { message: /vault/ })
  t.same(resources.current.value, [])
  const everywhere = merge('pay', { services: ['shop/payments', '*/db'], rule: 'union' }, 'weft-system')
  t.match(await apply(everywhere), [{ change: 'created' }])
})

t.test('a second merge rule for exactly the same services is refused, naming both', async t => {
  const { apply } = await open(t)
  await apply(merge('first', { services: ['payments', 'pay-*'], hosts: ['a.example'], rule: 'union' }))
  for (const [spec, namespace, message] of [
    [{ services: ['payments'], rule: 'error' }, 'default', /both for service default\/payments/],
    [{ services: ['default/payments'], rule: 'error' }, 'weft-system', /both for service default\/payments/],
    [{ services: ['pay-*'], rule: 'error' }, 'default', /both for services default\/pay-\*/],
    [{ hosts: ['a.example'], rule: 'error' }, 'default', /both for host a\.example of namespace default/],
  ] as const) {
    await t.rejects(apply(merge('second', spec, namespace)), {
      code: 'WEFT_RESOURCE_CONFLICT',
      message,
      fields: { resources: [`ServiceMerge ${namespace}/second`, 'ServiceMerge default/first'] },
    })
  }
  const fine = documents(
    merge('second', { services: ['*', 'payments-2'], rule: 'union' }),
    merge('third', { services: ['payments'], hosts: ['a.example'], rule: 'union' }, 'shop'),
  )
  t.match(await apply(fine), [{ change: 'created' }, { change: 'created' }])
})

t.test('a planned change sees everything, is written alone, and keeps what nobody wrote out of the store', async t => {
  const { apply, resources, clock } = await open(t)
  await apply(documents(policy('a'), merge('pay', { services: ['pay'], rule: 'union' })))
  await clock.advance(1000)
  const result = await resources.change(before => {
    const rule = before.find(one => one.kind === 'ServiceMerge')
    if (rule === undefined) throw new Error('it is not there')
    return { resource: { ...rule, spec: { ...rule.spec, weights: { consul: 1 } } }, result: before.length }
  })
  t.equal(result, 2)
  t.match(resources.current.value.at(-1), { kind: 'ServiceMerge', spec: { weights: { consul: 1 } } })
  const [, stored] = await resources.list()
  t.notMatch(stored?.document, /creationTimestamp/)
  t.equal(await resources.change(() => ({ result: 'nothing to do' })), 'nothing to do')
  t.equal((await resources.list())[1]?.version, stored?.version)
})

t.test('a planned change that throws, or that somebody else has overtaken, writes nothing', async t => {
  const { resources, store, clock } = await open(t)
  const planned = (rule: 'union' | 'error') => ({
    apiVersion: 'weft.dev/v1' as const,
    kind: 'ServiceMerge' as const,
    metadata: { name: 'pay', namespace: 'default' },
    spec: { services: ['pay'], rule },
  })
  const failing = resources.change(() => {
    throw new TypeError('no')
  })
  await t.rejects(failing, TypeError)
  const document = JSON.stringify(planned('error'))
  const list = store.resources.list
  // another server on the same store writes between our reading and our writing
  store.resources.list = async () => {
    const before = await list()
    store.resources.list = list
    await store.resources.put([{ kind: 'ServiceMerge', namespace: 'default', name: 'pay', document }], clock.now())
    return before
  }
  await t.rejects(
    resources.change(() => ({ resource: planned('union'), result: 0 })),
    { code: 'WEFT_RESOURCE_CONFLICT' },
  )
  t.equal((await resources.list())[0]?.document, document)
})

const traffic = (kind: string, name: string, spec: object, namespace = 'shop') =>
  JSON.stringify({ apiVersion: 'networking.istio.io/v1', kind, metadata: { name, namespace }, spec }, null, 2)

const route = (host: string, more: object = {}) => [{ destination: { host, ...more } }]

t.test('warnings come with what was applied, at their place in the text', async t => {
  const services = [{ namespace: 'shop', hosts: ['cart.shop.mesh'], ports: [80] }]
  const { resources } = await open(t, [], services)
  const text = documents(
    policy('a'),
    traffic('VirtualService', 'cart', { hosts: ['cart'], http: [{ route: route('card') }] }),
  )
  const { applied, warnings } = await resources.apply(text, 'a.yaml', { dryRun: false })
  t.match(applied, [{ change: 'created' }, { change: 'created' }])
  t.match(warnings, [
    {
      severity: 'warning',
      code: 'unknown-host',
      resource: 'VirtualService shop/cart',
      file: 'a.yaml',
      line: 19,
      column: 23,
      path: 'spec.http[0].route[0].destination.host',
      didYouMean: 'cart',
    },
  ])
  t.match(resources.findings(), [{ code: 'unknown-host', resource: 'VirtualService shop/cart' }])
  const other = await resources.apply(policy('b', { namespace: 'other' }), 'b.yaml', { dryRun: false })
  t.same(other.warnings, [], 'only of what is written')
})

t.test('without any service nothing is said of names', async t => {
  const { resources } = await open(t)
  const text = traffic('VirtualService', 'cart', {
    hosts: ['cart'],
    http: [{ route: route('cart', { subset: 'v1' }) }],
  })
  t.same((await resources.apply(text, 'a.yaml', { dryRun: false })).warnings, [])
})

t.test('two for the same host are refused in whatever order they are written', async t => {
  const { apply, resources } = await open(t)
  const spec = { hosts: ['cart'], http: [{ route: route('cart') }] }
  const conflict = { code: 'WEFT_RESOURCE_CONFLICT', message: /shop\/[ab] and VirtualService shop\/[ab] are both for/ }
  await t.rejects(
    apply(documents(traffic('VirtualService', 'a', spec), traffic('VirtualService', 'b', spec))),
    conflict,
  )
  t.same(resources.current.value, [], 'nothing is applied')
  await apply(traffic('VirtualService', 'a', { ...spec, hosts: ['other'] }))
  await apply(traffic('VirtualService', 'b', spec))
  await t.rejects(apply(traffic('VirtualService', 'a', spec)), conflict, 'the older one is the one that is written')
  await apply(policy('p'))
  const rule = { host: 'cart' }
  await apply(traffic('DestinationRule', 'a', rule))
  await t.rejects(apply(traffic('DestinationRule', 'b', { ...rule, exportTo: ['*'] })), {
    code: 'WEFT_RESOURCE_CONFLICT',
    message: /cannot be merged/,
  })
})

t.test('settings of the mesh are one, in the root namespace', async t => {
  const { apply } = await open(t)
  const settings = (name: string, namespace: string) => {
    return JSON.stringify({ apiVersion: 'weft.dev/v1', kind: 'MeshSettings', metadata: { name, namespace }, spec: {} })
  }
  await t.rejects(apply(settings('mesh', 'shop')), {
    code: 'WEFT_RESOURCE_INVALID',
    message: /^a\.yaml:1:\d+: metadata\.namespace: must be weft-system/,
  })
  await apply(settings('mesh', 'weft-system'))
  await apply(settings('mesh', 'weft-system'))
  await t.rejects(apply(settings('more', 'weft-system')), {
    code: 'WEFT_RESOURCE_CONFLICT',
    message: /only one may be/,
  })
})
