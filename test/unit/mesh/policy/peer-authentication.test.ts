import t from 'tap'
import { composePeerAuthentication, effectiveMtls } from '../../../../mesh/policy/peer-authentication.ts'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import type { PeerAuthentication } from '../../../../mesh/resources/peer-authentication.ts'
import { peerAuthenticationCases } from '../../../support/istio-recordings.ts'

const options = { rootNamespace: 'weft-system', now: Date.UTC(2026, 5, 1) }
const cart = { namespace: 'shop', labels: { app: 'cart' } }

function policies(...yaml: string[]): PeerAuthentication[] {
  return yaml.flatMap(text => {
    const { resources, problems } = parseResources(text, 'policy.yaml')
    t.same(problems, [])
    return resources.filter(resource => resource.kind === 'PeerAuthentication')
  })
}

function policy(namespace: string, name: string, spec: string, created = '2026-01-01T00:00:00Z', annotations = '{}') {
  const metadata = `{ name: ${name}, namespace: ${namespace}, creationTimestamp: "${created}", annotations: ${annotations} }`
  return `{ apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: ${metadata}, spec: ${spec} }`
}

t.test('composes every recorded case as Istio does', async t => {
  const wrong: string[] = []
  const cases = peerAuthenticationCases()
  for (const { id, policies: documents, rootNamespace, workload, result } of cases) {
    const composed = composePeerAuthentication(policies(...documents), workload, { rootNamespace, now: 0 })
    const modes = Object.entries({ ...result.ports, ...result.perPort })
    const same = modes.every(([port, mode]) => composed.port(Number(port)).mode === mode)
    if (composed.workload.mode !== result.default || !same) wrong.push(id)
  }
  t.same(wrong, [])
  t.equal(cases.length, 333)
})

t.test('plaintext is permitted by default, and nobody said so', async t => {
  t.same(effectiveMtls([], cart, 80, options), { mode: 'PERMISSIVE', from: 'default' })
})

t.test('names the policy that decided, from the port out to the mesh', async t => {
  const mesh = policy('weft-system', 'mesh', '{ mtls: { mode: STRICT } }')
  const shop = policy('shop', 'all', '{ mtls: { mode: DISABLE } }')
  const selector = 'selector: { matchLabels: { app: cart } }'
  const own = policy(
    'shop',
    'cart',
    `{ ${selector}, mtls: { mode: PERMISSIVE }, portLevelMtls: { 9090: { mode: STRICT } } }`,
  )
  const decide = (port: number, ...yaml: string[]) => effectiveMtls(policies(...yaml), cart, port, options)
  t.same(decide(80, mesh), { mode: 'STRICT', from: 'weft-system/mesh' })
  t.same(decide(80, mesh, shop), { mode: 'DISABLE', from: 'shop/all' })
  t.same(decide(80, mesh, shop, own), { mode: 'PERMISSIVE', from: 'shop/cart' })
  t.same(decide(9090, mesh, shop, own), { mode: 'STRICT', from: 'shop/cart' })
})

t.test('UNSET is decided by the wider scope, which is then named', async t => {
  const mesh = policy('weft-system', 'mesh', '{ mtls: { mode: STRICT } }')
  const shop = policy('shop', 'all', '{ mtls: { mode: UNSET } }')
  const port = '{ selector: { matchLabels: { app: cart } }, portLevelMtls: { 80: { mode: UNSET } } }'
  const decided = effectiveMtls(policies(mesh, shop, policy('shop', 'cart', port)), cart, 80, options)
  t.same(decided, { mode: 'STRICT', from: 'weft-system/mesh' })
})

t.test('other namespaces and other labels have no say', async t => {
  const others = policies(
    policy('ops', 'all', '{ mtls: { mode: STRICT } }'),
    policy('shop', 'web', '{ selector: { matchLabels: { app: web } }, mtls: { mode: STRICT } }'),
    policy('weft-system', 'selected', '{ selector: { matchLabels: { app: cart } }, mtls: { mode: STRICT } }'),
  )
  t.same(effectiveMtls(others, cart, 80, options), { mode: 'PERMISSIVE', from: 'default' })
})

t.test('labels that objects inherit are not labels of a workload', async t => {
  const [odd] = policies(
    policy('shop', 'odd', '{ selector: { matchLabels: { toString: x } }, mtls: { mode: STRICT } }'),
  )
  t.equal(
    effectiveMtls(odd === undefined ? [] : [odd], { namespace: 'shop', labels: {} }, 80, options).mode,
    'PERMISSIVE',
  )
})

t.test('the oldest policy of a scope counts alone, in whatever order they come', async t => {
  const old = policy('shop', 'z-old', '{ mtls: { mode: STRICT } }', '2026-01-01T00:00:00Z')
  const young = policy('shop', 'a-young', '{ mtls: { mode: DISABLE } }', '2026-01-01T02:00:00+01:00')
  for (const order of [policies(old, young), policies(young, old)]) {
    t.same(effectiveMtls(order, cart, 80, options), { mode: 'STRICT', from: 'shop/z-old' })
  }
})

t.test('what is permitted for a time is STRICT from that moment on, on ports too', async t => {
  const until = (spec: string) =>
    policy('shop', 'cart', spec, undefined, '{ weft.dev/permissive-until: "2026-06-01T02:00:00+02:00" }')
  const selector = 'selector: { matchLabels: { app: cart } }'
  const modes = 'mtls: { mode: DISABLE }, portLevelMtls: { 80: { mode: PERMISSIVE }, 81: { mode: UNSET } }'
  const written = policies(until(`{ ${selector}, ${modes} }`))
  const modeAt = (port: number, now: number) => effectiveMtls(written, cart, port, { ...options, now })
  const end = Date.UTC(2026, 5, 1)
  t.same(modeAt(80, end - 1), { mode: 'PERMISSIVE', from: 'shop/cart' })
  t.same(modeAt(80, end), { mode: 'STRICT', from: 'shop/cart' })
  t.same(modeAt(81, end), { mode: 'DISABLE', from: 'shop/cart' }, 'what it does not permit by PERMISSIVE stays')
  const wide = policies(
    policy(
      'shop',
      'all',
      '{ mtls: { mode: PERMISSIVE } }',
      undefined,
      '{ weft.dev/permissive-until: "2026-01-01T00:00:00Z" }',
    ),
  )
  t.same(effectiveMtls(wide, cart, 80, options), { mode: 'STRICT', from: 'shop/all' })
})

t.test('an end is for something that is PERMISSIVE, in force, and a time', async t => {
  const said = (spec: string, annotations: string) =>
    parseResources(policy('shop', 'a', spec, undefined, annotations), 'a.yaml').problems.map(({ message }) => message)
  const time = 'weft.dev/permissive-until: "2026-06-01T00:00:00Z"'
  t.match(said('{ mtls: { mode: STRICT } }', `{ ${time} }`), [/no mode of the policy is PERMISSIVE/])
  t.match(said('{ mtls: { mode: PERMISSIVE } }', `{ ${time}, istio.io/dry-run: "true" }`), [/nothing in a dry run/])
  t.same(said('{ mtls: { mode: PERMISSIVE } }', `{ ${time}, istio.io/dry-run: "false" }`), [])
  for (const text of ['soon', '2026-06-01', '2026-02-30T00:00:00Z', '2026-06-01T00:00:00', '2026-06-01T25:00:00Z']) {
    t.match(
      said('{ mtls: { mode: PERMISSIVE } }', `{ weft.dev/permissive-until: "${text}" }`),
      [/must be a time/],
      text,
    )
  }
})

t.test('a policy that is tried has no effect, and says what it would be', async t => {
  const tried = (namespace: string, name: string, spec: string) =>
    policy(namespace, name, spec, '2026-02-01T00:00:00Z', '{ istio.io/dry-run: "true" }')
  const mesh = policy('weft-system', 'mesh', '{ mtls: { mode: PERMISSIVE } }')
  const strict = '{ mtls: { mode: STRICT } }'
  const decide = (...yaml: string[]) => effectiveMtls(policies(...yaml), cart, 80, options)
  const real = { mode: 'PERMISSIVE', from: 'weft-system/mesh' }
  t.same(decide(mesh, tried('shop', 'try', strict)), { ...real, dryRun: { mode: 'STRICT', from: 'shop/try' } })
  t.same(
    decide(mesh, tried('weft-system', 'try', strict)),
    { ...real, dryRun: { mode: 'STRICT', from: 'weft-system/try' } },
    'it stands in for the older one of its scope',
  )
  t.same(decide(mesh, tried('shop', 'try', '{ mtls: { mode: PERMISSIVE } }')), real, 'the same is nothing to say')
  const own = policy('shop', 'all', strict)
  t.same(decide(own, tried('weft-system', 'try', strict)), { mode: 'STRICT', from: 'shop/all' })
})
