import fc from 'fast-check'
import t from 'tap'
import { bySpecificity, fullHost, isWildcard } from '../../../../mesh/routing/hosts.ts'
import { createRouting } from '../../../../mesh/routing/routing.ts'
import type { RoutableService, RoutingWorld } from '../../../../mesh/routing/world.ts'
import { routable, routingWorld } from '../../../support/routing-world.ts'

const namespaces = ['shop', 'front']
const names = ['cart', 'api', 'web']
const outside = [
  'acme.example',
  'www.acme.example',
  'a.b.example',
  '*.acme.example',
  '*.www.acme.example',
  '*.example',
  '*-x.example',
]

const service = fc
  .record({
    name: fc.constantFrom(...names),
    namespace: fc.constantFrom(...namespaces),
    extra: fc.subarray(outside, { maxLength: 2 }),
    address: fc.constantFrom('240.240.0.1', '240.240.0.2', 'fd00::1'),
    exportTo: fc.constantFrom(undefined, ['*'], ['shop'], ['front']),
  })
  .map(({ name, namespace, extra, address, exportTo }) => {
    const own = `${name}.${namespace}.mesh`
    return routable(own, { hosts: [own, ...extra], addresses: [address], exportTo })
  })

/** Every name and address is one service's alone: who wins otherwise is another test's. */
const services = fc.array(service, { maxLength: 6 }).map(all => {
  const taken = new Set<string>()
  const isNew = (text: string) => !taken.has(text) && taken.add(text).has(text)
  return all
    .filter(({ hosts: [own = ''] }) => isNew(own))
    .map(one => ({
      ...one,
      hosts: one.hosts.filter((host, at) => at === 0 || isNew(host)),
      addresses: one.addresses.filter(isNew),
    }))
})

const virtualService = fc.record({
  namespace: fc.constantFrom(...namespaces),
  host: fc.constantFrom(...names, ...outside, 'cart.shop.mesh', '*.shop.mesh', 'other.front.mesh'),
})

const world = fc.record({ services, virtualServices: fc.array(virtualService, { maxLength: 4 }) }).map(made => {
  const resources = made.virtualServices.map(({ namespace, host }, index) => {
    const spec = { hosts: [host], http: [{ name: `r${index}`, route: [{ destination: { host: 'x.example' } }] }] }
    return `VirtualService ${namespace}/v${index} ${JSON.stringify(spec)}`
  })
  return routingWorld(made.services, resources)
})

const stem = fc.constantFrom(
  ...names,
  ...names.flatMap(name => namespaces.flatMap(namespace => [`${name}.${namespace}`, `${name}.${namespace}.mesh`])),
  'other.front.mesh',
  'acme.example',
  'www.acme.example',
  'x.www.acme.example',
  'a.b.example',
  'b-x.example',
  '240.240.0.1',
  '240.240.0.3',
  'unknown',
)
const authority = fc.record({ stem, upper: fc.boolean(), dot: fc.boolean(), port: fc.constantFrom('', ':80', ':8080') })
const authorities = fc.array(
  authority.map(({ stem, upper, dot, port }) => (upper ? stem.toUpperCase() : stem) + (dot ? '.' : '') + port),
  { minLength: 1, maxLength: 20 },
)
const client = fc.record({ namespace: fc.constantFrom(...namespaces), labels: fc.constant({}) })

t.test('what is remembered is what is found without memory', async () => {
  fc.assert(
    fc.property(world, client, authorities, (made, caller, asked) => {
      const kept = createRouting(made).httpPort(caller, 80)
      return asked.every(text => {
        const fresh = createRouting(made).httpPort(caller, 80).find(text)
        const first = kept.find(text)
        return first.name === fresh.name && kept.find(text) === first && rulesOf(first) === rulesOf(fresh)
      })
    }),
  )
})

t.test('whatever callers send as authority has an answer', async () => {
  const parts = fc.constantFrom(
    '[',
    ']',
    ':',
    '.',
    '*',
    '@',
    '/',
    ' ',
    '\u0000',
    'cart',
    'SHOP',
    'mesh',
    '80',
    '::1',
    '\u00e4',
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(parts).map(all => all.join('')),
  )
  fc.assert(
    fc.property(world, client, fc.array(text), (made, caller, asked) => {
      const ports = createRouting(made).httpPort(caller, 80)
      return asked.every(each => ports.find(each).routes.length > 0)
    }),
  )
})

t.test('more authorities than are remembered change no answer', async t => {
  const ports = createRouting(routingWorld([routable('cart.shop.mesh')])).httpPort(
    { namespace: 'shop', labels: {} },
    80,
  )
  const first = ports.find('cart.shop.mesh')
  for (let n = 0; n < 3000; n += 1) t.equal(ports.find(`n${n}.example`).name, 'allow_any')
  t.equal(ports.find('cart.shop.mesh'), first)
  t.equal(ports.find(`${'x'.repeat(5000)}.example`).name, 'allow_any')
})

function rulesOf({ routes }: { readonly routes: readonly { readonly rule: string }[] }): string {
  return routes.map(({ rule }) => rule).join(' ')
}

/** All domains of all virtual hosts, written down as a proxy is told them: exact names and suffixes. */
function domainsOf({ services, traffic, domain }: RoutingWorld, namespace: string): Map<string, string> {
  const visible = services.filter(
    ({ exportTo }) => exportTo === undefined || exportTo.includes('*') || exportTo.includes(namespace),
  )
  const domains = new Map<string, string>()
  const put = (name: string, host: string) => domains.has(name) || domains.set(name, `${host}:80`)
  for (const host of visible.flatMap(({ hosts }) => hosts)) {
    put(host, host)
    put(`${host}.`, host)
  }
  const rules = traffic.virtualServices.map(({ spec, namespace }) => fullHost(spec.hosts?.[0] ?? '', namespace, domain))
  const covered = (wildcard: string) =>
    visible.some(({ hosts }) =>
      hosts.some(host => host.endsWith(wildcard.slice(1)) && host.length >= wildcard.length - 1),
    )
  for (const host of rules.filter(rule => !isWildcard(rule) || !covered(rule))) {
    put(host, host)
    put(`${host}.`, host)
  }
  for (const one of visible) putShort(one, namespace, put)
  return domains
}

function putShort(one: RoutableService, namespace: string, put: (name: string, host: string) => unknown): void {
  const [own = ''] = one.hosts
  if (one.namespace === namespace) put(one.name, own)
  put(`${one.name}.${one.namespace}`, own)
  for (const address of one.addresses) put(address, own)
}

t.test('the virtual host is the one that a list of all domains gives', async () => {
  fc.assert(
    fc.property(world, client, authorities, (made, caller, asked) => {
      const domains = domainsOf(made, caller.namespace)
      const wildcards = [...domains.keys()].filter(isWildcard).toSorted(bySpecificity)
      const ports = createRouting(made).httpPort(caller, 80)
      return asked.every(text => {
        const name = text.toLowerCase().replace(/:\d+$/, '')
        const suffix = wildcards.find(each => name.length >= each.length && name.endsWith(each.slice(1)))
        const expected = domains.get(name) ?? domains.get(suffix ?? '') ?? 'allow_any'
        return ports.find(text).name === expected
      })
    }),
    { numRuns: 500 },
  )
})
