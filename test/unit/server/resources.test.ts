import t, { type Test } from 'tap'
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

const documents = (...texts: readonly string[]) => texts.join('\n---\n')

async function open(t: Test, workloads: readonly KnownWorkload[] = []) {
  const clock = new FakeClock()
  const log = recordedLog()
  const store = openSqliteStore(':memory:', { log })
  t.teardown(() => store.close())
  const options = { clock, log, rootNamespace: 'weft-system', workloads: () => workloads }
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
