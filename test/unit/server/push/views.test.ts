import t from 'tap'
import type { CatalogueSnapshot } from '../../../../mesh/model/catalogue.ts'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import type { Resource } from '../../../../mesh/resources/resource.ts'
import { tableOf } from '../../../../mesh/std/table.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import { decodeResource } from '../../../../mesh/wire/agent-config-codec.ts'
import type { AgentView } from '../../../../mesh/wire/delta.ts'
import { emptyCatalogue } from '../../../../server/catalogue/catalogue.ts'
import type { CompileSettings, KeysOf, MayHold, MtlsVerdict } from '../../../../server/compile/settings.ts'
import { startViews } from '../../../../server/push/views.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { catalogueWorkload, service, workload } from '../../../support/catalogue.ts'
import { recordedLog } from '../../../support/recorded-log.ts'

const settings: CompileSettings = {
  trustDomain: 'mesh.test',
  dnsDomain: 'mesh',
  rootNamespace: 'weft-system',
  virtualIpRanges: [],
  trust: { sequence: 1, roots: [] },
}

function catalogueOf(...names: readonly string[]): CatalogueSnapshot {
  const home = workload({ id: 'r/w', node: 'vm-1', serviceAccount: 'w' })
  const services = names.map(name => {
    return [`default/${name}`, { ...service(name, ['r/w']), registries: ['r'], virtualIps: [] }] as const
  })
  return { services: tableOf(services), workloads: tableOf([[home.id, catalogueWorkload(home)]]), problems: [] }
}

function start(t: { teardown(stop: () => unknown): unknown }) {
  const clock = new FakeClock()
  const log = recordedLog()
  const inputs = {
    catalogue: new Watch<CatalogueSnapshot>(emptyCatalogue),
    resources: new Watch<readonly Resource[]>([]),
    ready: new Watch(false),
    settings: new Watch(settings),
    mayHold: new Watch<MayHold>(() => false),
    mtls: new Watch<MtlsVerdict>(() => ({ mode: 'PERMISSIVE', from: 'default' })),
    keysOf: new Watch<KeysOf>(() => undefined),
  }
  const views = startViews({ clock, log, ...inputs })
  t.teardown(() => views.stop())
  return { clock, log, views, ...inputs }
}

function namesOf(view: Watch<AgentView | undefined>) {
  return [...(view.value?.resources.keys() ?? [])]
}

t.test('an agent has no view before the catalogue is ready, and one soon after that', async t => {
  const { clock, views, catalogue, ready } = start(t)
  const { view } = views.follow('vm-1')
  catalogue.set(catalogueOf('api'))
  t.equal(view.value, undefined)
  ready.set(true)
  await clock.advance(100)
  t.ok(namesOf(view).includes('service/default/api'))
})

t.test('a view has the host, the trust, its own workloads and all services', async t => {
  const { views, catalogue, ready } = start(t)
  catalogue.set(catalogueOf('api', 'web'))
  ready.set(true)
  t.same(namesOf(views.follow('vm-1').view), [
    'host',
    'trust',
    'workload/r/w',
    'service/default/api',
    'service/default/web',
  ])
  t.same(namesOf(views.follow('vm-2').view), ['host', 'trust', 'service/default/api', 'service/default/web'])
})

t.test('what is the same for all agents is encoded once, and again only when it changes', async t => {
  const { clock, views, catalogue, ready } = start(t)
  const first = catalogueOf('api')
  catalogue.set(first)
  ready.set(true)
  const one = views.follow('vm-1').view
  const other = views.follow('vm-2').view
  const name = 'service/default/api'
  const before = one.value?.resources.get(name)
  t.ok(before)
  t.equal(other.value?.resources.get(name), before)
  await clock.advance(1000)
  const web = catalogueOf('web').services
  catalogue.set({ ...first, services: first.services.with(web) })
  t.same(namesOf(one), ['host', 'trust', 'workload/r/w', 'service/default/api', 'service/default/web'])
  t.equal(one.value?.resources.get(name), before)
})

t.test('a lone change is there at once, a burst at its end', async t => {
  const { clock, views, catalogue, ready } = start(t)
  catalogue.set(catalogueOf('api'))
  ready.set(true)
  const { view } = views.follow('vm-1')
  await clock.advance(5000)
  let changes = 0
  view.subscribe(() => (changes += 1))
  catalogue.set(catalogueOf('s0'))
  t.equal(changes, 1)
  for (let count = 1; count <= 20; count += 1) {
    catalogue.set(catalogueOf(`s${count}`))
    await clock.advance(10)
  }
  await clock.advance(100)
  t.equal(changes, 2)
  t.ok(namesOf(view).includes('service/default/s20'))
})

t.test('a change that means nothing for an agent gives it no new version', async t => {
  const { clock, views, catalogue, ready, mtls, mayHold } = start(t)
  catalogue.set(catalogueOf('api'))
  ready.set(true)
  await clock.advance(1000)
  const concerned = views.follow('vm-1').view
  const other = views.follow('vm-2').view
  const [concernedBefore, otherBefore] = [concerned.value, other.value]
  mtls.set(() => ({ mode: 'STRICT', from: 'default/all' }))
  await clock.advance(100)
  t.ok((concerned.value?.version ?? 0) > (concernedBefore?.version ?? 0))
  t.equal(other.value, otherBefore)
  await clock.advance(1000)
  const before = concerned.value?.resources.get('workload/r/w')?.hash
  mayHold.set(() => true)
  t.not(concerned.value?.resources.get('workload/r/w')?.hash, before)
  t.equal(other.value, otherBefore)
})

t.test('a released view is not compiled any more', async t => {
  const { clock, views, catalogue, ready } = start(t)
  ready.set(true)
  await clock.advance(1000)
  const { view, release } = views.follow('vm-1')
  release()
  catalogue.set(catalogueOf('api'))
  t.notOk(namesOf(view).includes('service/default/api'))
})

t.test('when compiling fails everybody keeps what they have, and the next change is tried', async t => {
  const { clock, log, views, catalogue, ready, mtls } = start(t)
  catalogue.set(catalogueOf('api'))
  ready.set(true)
  await clock.advance(1000)
  const { view } = views.follow('vm-1')
  const before = view.value
  mtls.set(() => {
    throw new TypeError('a defect')
  })
  await clock.advance(100)
  t.equal(view.value, before)
  t.match(log.lines, [{ level: 'error', message: /agents keep what they have/, fields: { error: 'a defect' } }])
  await clock.advance(1000)
  mtls.set(() => ({ mode: 'STRICT', from: 'x/y' }))
  await clock.advance(100)
  t.not(view.value, before)
})

t.test('a service that cannot be encoded stays as it was, the others change', async t => {
  const { clock, log, views, catalogue, ready } = start(t)
  catalogue.set(catalogueOf('api', 'web'))
  ready.set(true)
  await clock.advance(1000)
  const { view } = views.follow('vm-1')
  const before = view.value?.resources.get('service/default/api')
  const next = catalogueOf('api', 'web', 'more')
  const api = next.services.get('default/api')
  const cyclic: string[] = []
  Object.defineProperty(cyclic, 0, { enumerable: true, get: () => assertBroken() })
  const broken = { ...(api ?? assertBroken()), virtualIps: cyclic }
  catalogue.set({ ...next, services: next.services.with([['default/api', broken]]) })
  t.equal(view.value?.resources.get('service/default/api'), before)
  t.ok(view.value?.resources.has('service/default/more'))
  t.match(log.lines, [{ level: 'error', fields: { name: 'service/default/api' } }])
})

const rule = (timeout: string, name = 'api') => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: default, creationTimestamp: 2026-01-02T03:04:05Z }
spec: { hosts: [${name}], http: [{ timeout: ${timeout}, route: [{ destination: { host: ${name} } }] }] }
`

function rulesOf(...documents: readonly string[]): readonly Resource[] {
  const { resources, problems } = parseResources(documents.join('---'), 'rules.yaml')
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  return resources
}

t.test('what operators say about traffic is in the view, as it is now', async t => {
  const { clock, views, catalogue, resources, ready } = start(t)
  catalogue.set(catalogueOf('api'))
  ready.set(true)
  const { view } = views.follow('vm-1')
  const name = 'traffic/VirtualService/default/api'
  const specOf = () => {
    const found = view.value?.resources.get(name)
    const decoded = found && decodeResource(found.name, found.body)
    return decoded?.kind === 'traffic' && decoded.resource === 'VirtualService' ? decoded.spec : undefined
  }
  for (const timeout of ['1s', '2s']) {
    await clock.advance(1000)
    resources.set(rulesOf(rule(timeout)))
    await clock.advance(100)
    t.equal(specOf()?.http?.[0]?.timeout, timeout)
  }
  await clock.advance(1000)
  resources.set([])
  await clock.advance(100)
  t.notOk(view.value?.resources.has(name))
})

t.test('rules and the services they speak of, applied in one piece, come in one piece', async t => {
  const { clock, views, catalogue, resources, ready } = start(t)
  catalogue.set(catalogueOf('api'))
  ready.set(true)
  const { view } = views.follow('vm-1')
  await clock.advance(1000)
  let changes = 0
  view.subscribe(() => (changes += 1))
  resources.set(rulesOf(rule('1s', 'web')))
  await clock.advance(30)
  t.equal(changes, 0, 'the catalogue has not taken it in')
  catalogue.set(catalogueOf('api', 'web'))
  await clock.advance(1000)
  t.equal(changes, 1)
  t.ok(view.value?.resources.has('traffic/VirtualService/default/web'))
  t.ok(namesOf(view).includes('service/default/web'))
})

t.test('rules read again, or services that change, give no rule a new version', async t => {
  const { clock, views, catalogue, resources, ready } = start(t)
  resources.set(rulesOf(rule('1s'), rule('1s', 'web')))
  catalogue.set(catalogueOf('api'))
  ready.set(true)
  const { view } = views.follow('vm-1')
  const first = view.value
  await clock.advance(1000)
  resources.set(rulesOf(rule('1s'), rule('1s', 'web')))
  await clock.advance(100)
  t.equal(view.value, first)
  await clock.advance(1000)
  catalogue.set(catalogueOf('api', 'web', 'more'))
  await clock.advance(1000)
  resources.set(rulesOf(rule('1s'), rule('9s', 'web')))
  await clock.advance(100)
  const name = 'traffic/VirtualService/default/api'
  t.not(view.value, first)
  t.equal(view.value?.resources.get(name), first?.resources.get(name), 'it is the very same')
})

t.test('a delegate comes with who delegates to it, changes with it, and goes with it', async t => {
  const { clock, views, catalogue, resources, ready } = start(t)
  const named = '\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: '
  const root = `${named}{ name: root, namespace: shop }\nspec: { hosts: [api], http: [{ delegate: { name: kid } }] }\n`
  const kid = (timeout: string) =>
    `${named}{ name: kid, namespace: shop }\nspec: { exportTo: [.], http: [{ timeout: ${timeout}, route: [{ destination: { host: api } }] }] }\n`
  const name = 'traffic/VirtualService/shop/kid'
  catalogue.set(catalogueOf('api'))
  ready.set(true)
  const { view } = views.follow('vm-1')
  const after = async (...documents: readonly string[]) => {
    await clock.advance(1000)
    resources.set(rulesOf(...documents))
    await clock.advance(100)
    return view.value?.resources.get(name)?.hash
  }
  t.equal(await after(kid('1s')), undefined)
  const first = await after(root, kid('1s'))
  t.type(first, 'string')
  const version = view.value?.version ?? 0
  const second = await after(root, kid('2s'))
  t.type(second, 'string')
  t.not(second, first)
  t.equal(view.value?.version, version + 1)
  t.equal(await after(kid('2s')), undefined)
})

function assertBroken(): never {
  throw new TypeError('a defect')
}

t.test('a policy goes to the hosts whose workloads it is for, and leaves all others as they are', async t => {
  const { clock, views, catalogue, resources, ready } = start(t)
  const others = workload({ id: 'r/o', node: 'vm-2', labels: { app: 'other' } })
  const first = catalogueOf('api')
  catalogue.set({ ...first, workloads: first.workloads.with([[others.id, catalogueWorkload(others)]]) })
  ready.set(true)
  const [one, two] = ['vm-1', 'vm-2'].map(node => views.follow(node).view)
  await clock.advance(5000)
  const before = one?.value
  const policy = (name: string, matchLabels: object) => ({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name },
    spec: { selector: { matchLabels } },
  })
  const document = JSON.stringify(policy('other', { app: 'other' }))
  resources.set(parseResources(document, 'policy.yaml').resources)
  await clock.advance(1000)
  t.equal(one?.value, before)
  t.ok(two?.value?.resources.has('policy/AuthorizationPolicy/default/other'))
  resources.set([])
  await clock.advance(1000)
  t.notOk(two?.value?.resources.has('policy/AuthorizationPolicy/default/other'))
})

t.test('keys of an issuer reach the agents when they are there', async t => {
  const { clock, views, catalogue, resources, ready, keysOf } = start(t)
  catalogue.set(catalogueOf('api'))
  const document = {
    apiVersion: 'security.istio.io/v1',
    kind: 'RequestAuthentication',
    metadata: { name: 'people' },
    spec: { jwtRules: [{ issuer: 'https://id.example' }] },
  }
  resources.set(parseResources(JSON.stringify(document), 'policy.yaml').resources)
  ready.set(true)
  const { view } = views.follow('vm-1')
  const name = 'policy/RequestAuthentication/default/people'
  const seen = () => decodeResource(name, view.value?.resources.get(name)?.body ?? Buffer.alloc(0))
  t.match(seen(), { spec: { jwtRules: [{ jwks: '{"keys":[]}' }] } })
  await clock.advance(5000)
  const set = '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
  keysOf.set(uri => (uri === 'https://id.example' ? set : undefined))
  await clock.advance(1000)
  t.match(seen(), { spec: { jwtRules: [{ jwks: set }] } })
})
