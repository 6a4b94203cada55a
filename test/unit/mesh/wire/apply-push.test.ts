import t from 'tap'
import { type AgentConfig, type AgentResource, resourceName } from '../../../../mesh/model/agent-config.ts'
import { encodeResource, hashOf } from '../../../../mesh/wire/agent-config-codec.ts'
import { type Applied, type ApplyConfig, applyPush } from '../../../../mesh/wire/apply-push.ts'
import { restoreResources } from '../../../../mesh/wire/held-resources.ts'
import type { EncodedResource, Push } from '../../../../mesh/wire/messages.ts'
import { hostResource, serviceResource, trustResource } from '../../../support/resources.ts'
import { virtualServiceResource } from '../../../support/traffic.ts'

const api = serviceResource('api')
const web = serviceResource('web')
const nothing: Applied = { held: new Map(), waiting: new Map(), rejected: [] }

function holding(...resources: readonly AgentResource[]): Applied {
  return { ...nothing, held: restoreResources(resources.map(encodeResource)).held }
}

function push(changed: readonly EncodedResource[], removed: readonly string[] = [], full = false): Push {
  return { kind: 'push', version: 1, full, changed, removed }
}

/** An apply that remembers what it was given and refuses what the judge names. */
function recorder(judge: (config: AgentConfig) => readonly string[] = () => []) {
  const ports: (readonly (number | undefined)[])[] = []
  const apply: ApplyConfig = async config => {
    ports.push(config.services.map(service => service.ports[0]?.port))
    return judge(config).map(name => ({ name, reason: 'refused' }))
  }
  return { apply, ports }
}

t.test('a resource that does not decode keeps its last good version, the rest is applied', async t => {
  const { apply, ports } = recorder()
  const broken = { ...encodeResource({ ...api, virtualIps: ['nowhere'] }), name: 'service/shop/api' }
  const before = holding(hostResource, trustResource(), api)
  const after = await applyPush(push([broken, encodeResource(serviceResource('web', 81))]), before, apply)
  t.same(ports, [[80, 81]])
  t.match(after.rejected, [{ name: 'service/shop/api', reason: /virtualIps\[0\] is not an IP address/ }])
  t.equal(after.held.get('service/shop/api')?.hash, encodeResource(api).hash)
})

t.test('a rule that says more than this version knows is nacked, and its last good version stays in use', async t => {
  const good = virtualServiceResource('cart', { hosts: ['cart'], http: [{ name: 'good' }] })
  const newer = virtualServiceResource('cart', { hosts: ['cart'], http: [{ name: 'newer' }] })
  const { body } = encodeResource(newer)
  const known = Buffer.from('"newer"')
  const at = body.indexOf(known)
  // the same length, so that the frame around it still is right: {"name":"newer"} becomes {"nama":"newer"}
  body.write('nama', at - 6)
  const altered = { name: resourceName(newer), hash: hashOf(body), body }
  const inUse: string[] = []
  const apply: ApplyConfig = async ({ traffic }) => {
    inUse.push(...traffic.virtualServices.map(({ spec }) => spec.http?.[0]?.name ?? ''))
    return []
  }
  const before = holding(hostResource, trustResource(), good)
  const after = await applyPush(push([altered, encodeResource(web)]), before, apply)
  t.match(after.rejected, [{ name: 'traffic/VirtualService/shop/cart', reason: /does not know: "nama"/ }])
  t.same(inUse, ['good'])
  t.ok(after.held.has('service/shop/web'))
  t.equal(after.held.get('traffic/VirtualService/shop/cart')?.hash, encodeResource(good).hash)
})

t.test('a body that is not what its hash says is refused', async t => {
  const { apply } = recorder()
  const altered = { ...encodeResource(api), body: encodeResource(web).body }
  const after = await applyPush(push([altered]), holding(hostResource, trustResource()), apply)
  t.match(after.rejected, [{ name: 'service/shop/api', reason: /hash/ }])
  t.equal(after.held.has('service/shop/api'), false)
})

t.test('what is refused one after another is all taken back, and what is held is what is in use', async t => {
  const { apply, ports } = recorder(config => {
    const bad = config.services.find(({ ports }) => (ports[0]?.port ?? 0) > 80)
    return bad === undefined ? [] : [`service/shop/${bad.name}`]
  })
  const changed = [serviceResource('api', 81), serviceResource('db', 82), web].map(encodeResource)
  const after = await applyPush(push(changed), holding(hostResource, trustResource(), api), apply)
  t.same(ports, [
    [81, 82, 80],
    [80, 82, 80],
    [80, 80],
  ])
  t.same(
    after.rejected.map(({ name }) => name),
    ['service/shop/api', 'service/shop/db'],
  )
  t.same([...after.held.keys()].sort(), ['host', 'service/shop/api', 'service/shop/web', 'trust'])
})

t.test('an apply that throws has put nothing in use: everything stays as it was', async t => {
  const before = holding(hostResource, trustResource(), api)
  const changed = [serviceResource('api', 81), web].map(encodeResource)
  const after = await applyPush(push(changed), before, async () => {
    throw new Error('no memory')
  })
  t.equal(after.held, before.held)
  t.same(after.rejected, [
    { name: 'service/shop/api', reason: 'no memory' },
    { name: 'service/shop/web', reason: 'no memory' },
  ])
})

t.test('a refusal of something that did not change is passed on, once', async t => {
  const { apply, ports } = recorder(() => ['service/shop/api'])
  const after = await applyPush(push([encodeResource(web)]), holding(hostResource, trustResource(), api), apply)
  t.equal(ports.length, 1)
  t.same(after.rejected, [{ name: 'service/shop/api', reason: 'refused' }])
  t.ok(after.held.has('service/shop/web'))
})

t.test('a full push removes what it does not name, but never host and trust', async t => {
  const { apply } = recorder()
  const before = holding(hostResource, trustResource(), api, web)
  const after = await applyPush(push([encodeResource(api)], [], true), before, apply)
  t.same([...after.held.keys()].sort(), ['host', 'service/shop/api', 'trust'])
  t.same(after.rejected, [
    { name: 'host', reason: 'cannot be removed' },
    { name: 'trust', reason: 'cannot be removed' },
  ])
})

t.test('services that come before trust wait for it and are then applied', async t => {
  const { apply, ports } = recorder()
  const broken = { ...encodeResource(trustResource()), hash: '0'.repeat(32) }
  const first = await applyPush(push([encodeResource(hostResource), encodeResource(api), broken]), nothing, apply)
  t.equal(ports.length, 0)
  t.equal(first.held.size, 0, 'not in use, so not held')
  t.match(first.rejected, [{ name: 'trust', reason: /hash/ }])
  const second = await applyPush(push([encodeResource(trustResource())]), first, apply)
  t.same(ports, [[80]])
  t.same([...second.held.keys()].sort(), ['host', 'service/shop/api', 'trust'])
  t.same(second.rejected, [])
})

t.test('an empty push applies nothing and holds the same', async t => {
  const { apply, ports } = recorder()
  const before = holding(hostResource, trustResource())
  const after = await applyPush(push([]), before, apply)
  t.equal(after.held, before.held)
  t.equal(ports.length, 0)
})

t.test('what was saved comes back, save what has rotted', async t => {
  const rule = virtualServiceResource('cart', { hosts: ['cart'] })
  const saved = [hostResource, api, web, rule].map(encodeResource)
  const rotten = { ...encodeResource(trustResource()), body: Buffer.from([1, 2, 3]) }
  const { held, unusable } = restoreResources([...saved, rotten])
  t.same([...held.keys()], ['host', 'service/shop/api', 'service/shop/web', 'traffic/VirtualService/shop/cart'])
  t.match(unusable, [{ name: 'trust', reason: /hash/ }])
})
