import t from 'tap'
import { findConflicts } from '../../../../mesh/policy/policy-conflicts.ts'
import { parseResources } from '../../../../mesh/resources/parse.ts'

const options = { rootNamespace: 'weft-system' }

function resources(...policies: { namespace: string; name: string; labels?: string; created?: string }[]) {
  const documents = policies.map(({ namespace, name, labels, created = '2026-01-01T00:00:00Z' }) => {
    const metadata = `{ namespace: ${namespace}, name: ${name}, creationTimestamp: "${created}" }`
    const selector = labels === undefined ? '' : `selector: { matchLabels: ${labels} }, `
    const spec = `{ ${selector}mtls: { mode: STRICT } }`
    return `{ apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: ${metadata}, spec: ${spec} }`
  })
  const parsed = parseResources(documents.join('\n---\n'), 'policies.yaml')
  t.same(parsed.problems, [])
  return parsed.resources
}

t.test('one policy of each scope is no conflict', async t => {
  const fine = resources(
    { namespace: 'weft-system', name: 'mesh' },
    { namespace: 'shop', name: 'all' },
    { namespace: 'ops', name: 'all' },
    { namespace: 'shop', name: 'cart', labels: '{ app: cart }' },
    { namespace: 'ops', name: 'cart', labels: '{ app: cart }' },
    { namespace: 'shop', name: 'cart-v1', labels: '{ app: cart, version: v1 }' },
  )
  t.same(findConflicts(fine, options), [])
})

t.test('a second policy of one scope is named with the older one, which would win', async t => {
  const two = resources(
    { namespace: 'shop', name: 'a', created: '2026-02-02T00:00:00Z' },
    { namespace: 'shop', name: 'b', created: '2026-01-01T00:00:00Z' },
  )
  const [found, ...rest] = findConflicts(two, options)
  t.same(rest, [])
  t.match(found, { policy: 'shop/a', winner: 'shop/b' })
  t.match(found?.message, /PeerAuthentication shop\/a .*PeerAuthentication shop\/b .*namespace shop/)
})

t.test('the same labels in another order are the same scope', async t => {
  const two = resources(
    { namespace: 'shop', name: 'a', labels: '{ app: cart, version: v1 }' },
    { namespace: 'shop', name: 'b', labels: '{ version: v1, app: cart }' },
  )
  t.match(findConflicts(two, options), [{ policy: 'shop/b', winner: 'shop/a' }])
})

t.test('an empty selector is the namespace', async t => {
  const two = resources({ namespace: 'shop', name: 'a' }, { namespace: 'shop', name: 'b', labels: '{}' })
  t.match(findConflicts(two, options), [{ policy: 'shop/b', winner: 'shop/a' }])
})

t.test('a selector in the root namespace selects nothing, and that is said', async t => {
  const [found] = findConflicts(resources({ namespace: 'weft-system', name: 'x', labels: '{ app: x }' }), options)
  t.match(found, { policy: 'weft-system/x' })
  t.equal(found?.winner, undefined)
})

t.test('different selectors are a conflict for a workload that both select', async t => {
  const two = resources(
    { namespace: 'shop', name: 'by-app', labels: '{ app: cart }' },
    { namespace: 'shop', name: 'by-version', labels: '{ version: v1 }' },
  )
  const workloads = [
    { namespace: 'shop', name: 'cart-v2', labels: { app: 'cart', version: 'v2' } },
    { namespace: 'ops', name: 'cart-v1', labels: { app: 'cart', version: 'v1' } },
  ]
  t.same(findConflicts(two, options, workloads), [])
  const met = { namespace: 'shop', name: 'cart-v1', labels: { app: 'cart', version: 'v1' } }
  const found = findConflicts(two, options, [...workloads, met, { ...met, name: 'another' }])
  t.equal(found.length, 1, 'a pair of policies is named once')
  t.match(found[0], { policy: 'shop/by-version', winner: 'shop/by-app' })
  t.match(found[0]?.message, /workload shop\/cart-v1/)
})

t.test('one that is tried contradicts others that are tried, none that is in force', async t => {
  const cart = { namespace: 'shop', labels: '{ app: cart }' }
  const [inForce, ...others] = resources({ ...cart, name: 'a' }, { ...cart, name: 'b' }, { ...cart, name: 'c' })
  const tried = others.map(one => {
    return { ...one, metadata: { ...one.metadata, annotations: { 'istio.io/dry-run': 'true' } } }
  })
  const workloads = [{ namespace: 'shop', name: 'cart-1', labels: { app: 'cart' } }]
  t.same(
    findConflicts(
      [inForce, tried[0]].flatMap(one => one ?? []),
      options,
      workloads,
    ),
    [],
  )
  t.match(
    findConflicts(
      [inForce, ...tried].flatMap(one => one ?? []),
      options,
      workloads,
    ),
    [{ policy: 'shop/c', winner: 'shop/b' }],
  )
})
