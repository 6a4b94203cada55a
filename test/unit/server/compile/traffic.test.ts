import t from 'tap'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import type { Resource } from '../../../../mesh/resources/resource.ts'
import { decodeResource, encodeResource } from '../../../../mesh/wire/agent-config-codec.ts'
import { createTrafficCompiler } from '../../../../server/compile/traffic.ts'
import { validationCases } from '../../../support/istio-recordings.ts'

function read(...hosts: readonly string[]): readonly Resource[] {
  const documents = hosts.map(host => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { name: host, namespace: 'shop', creationTimestamp: '2026-01-02T03:04:05.678Z' },
    spec: { host, subsets: [{ name: 'v1', labels: { version: 'v1' } }] },
  }))
  return documents.flatMap(document => parseResources(JSON.stringify(document), 'rules.yaml').resources)
}

t.test('a resource is compiled with the time of its creation, and other kinds are left out', async t => {
  const entry = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    metadata: { name: 'a' },
    spec: { address: '10.0.0.1' },
  }
  const others = parseResources(JSON.stringify(entry), 'entry.yaml').resources
  t.equal(others.length, 1)
  const compiled = createTrafficCompiler()([...others, ...read('cart')])
  t.same([...compiled.keys()], ['traffic/DestinationRule/shop/cart'])
  t.equal(compiled.get('traffic/DestinationRule/shop/cart')?.createdAt, Date.UTC(2026, 0, 2, 3, 4, 5, 678))
})

t.test('what is read again and is the same stays the same object, what changed does not', async t => {
  const compile = createTrafficCompiler()
  const before = compile(read('cart', 'gone'))
  t.equal(compile(read('cart', 'gone')), before)
  const after = compile(read('cart', 'new'))
  const [cart, gone, fresh] = ['cart', 'gone', 'new'].map(name => `traffic/DestinationRule/shop/${name}`)
  t.equal(after.get(cart ?? ''), before.get(cart ?? ''))
  t.notOk(after.has(gone ?? ''))
  t.ok(after.has(fresh ?? ''))
})

t.test('whatever operators may write reaches the agents and means the same there', async t => {
  const problems: string[] = []
  const counts: Record<string, number> = {}
  for (const { id, yaml } of validationCases()) {
    const { resources } = parseResources(yaml, `${id}.yaml`)
    for (const resource of createTrafficCompiler()(resources).values()) {
      const { name, hash, body } = encodeResource(resource)
      counts[resource.resource] = (counts[resource.resource] ?? 0) + 1
      try {
        if (encodeResource(decodeResource(name, body)).hash !== hash) problems.push(`${id} came back as another`)
      } catch (error) {
        problems.push(`${id}: ${String(error)}`)
      }
    }
  }
  t.same(problems, [])
  for (const kind of ['VirtualService', 'DestinationRule', 'Sidecar']) t.ok((counts[kind] ?? 0) > 100, kind)
})
