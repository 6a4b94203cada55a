import t from 'tap'
import type { UnreadablePolicy } from '../../../../mesh/model/policy.ts'
import { encodeResource, hashOf } from '../../../../mesh/wire/agent-config-codec.ts'
import { type Applied, type ApplyConfig, applyPush } from '../../../../mesh/wire/apply-push.ts'
import { agentConfigOf, haveOf, restoreResources } from '../../../../mesh/wire/held-resources.ts'
import type { EncodedResource, Push } from '../../../../mesh/wire/messages.ts'
import { schema } from '../../../../mesh/wire/schema.ts'
import { authorizationResource } from '../../../support/policies.ts'
import { hostResource, trustResource } from '../../../support/resources.ts'

const name = 'policy/AuthorizationPolicy/shop/cart'
const title = 'AuthorizationPolicy shop/cart'
const known = encodeResource(authorizationResource('cart', { action: 'DENY', rules: [{}] }))
const base: Applied = {
  held: restoreResources([hostResource, trustResource()].map(encodeResource)).held,
  waiting: new Map(),
  rejected: [],
}
const selector = { matchLabels: { app: 'cart' } }

/** A policy of a newer server: its action is of a kind that nobody here has heard of. */
function newer(spec: object, values: object = {}): EncodedResource {
  const body = schema().agentResource.encode({
    policy: {
      kind: 'POLICY_KIND_AUTHORIZATION_POLICY',
      namespace: 'shop',
      name: 'cart',
      createdAt: 7,
      spec: Buffer.from(JSON.stringify({ action: 'LIMIT', ...spec })),
      ...values,
    },
  })
  return { name, hash: hashOf(body), body }
}

function push(changed: readonly EncodedResource[], removed: readonly string[] = []): Push {
  return { kind: 'push', version: 1, full: false, changed, removed }
}

/** What applying the resources one after the other leaves, and what was in use on the way. */
async function applied(before: Applied, ...pushes: readonly Push[]) {
  const inUse: (readonly UnreadablePolicy[])[] = []
  const apply: ApplyConfig = async ({ policies }) => {
    inUse.push(policies.unreadable)
    return []
  }
  let after = before
  for (const one of pushes) after = await applyPush(one, after, apply)
  return { after, inUse }
}

async function standIn(resource: EncodedResource) {
  return (await applied(base, push([resource]))).inUse[0]?.[0]
}

t.test('a policy that cannot be read and never could is refused by name, and known to be there', async t => {
  const { after, inUse } = await applied(base, push([newer({ selector })]))
  t.match(after.rejected, [{ name, reason: /action is none of/ }])
  t.same(inUse, [[{ kind: 'unreadable-policy', title, namespace: 'shop', spec: { selector } }]])
})

t.test('whom it is for is taken from it only where that is certain', async t => {
  const targetRefs = [{ kind: 'Service', name: 'cart' }]
  t.same((await standIn(newer({ targetRefs })))?.spec, { targetRefs })
  for (const [resource, why] of [
    [newer({ selector: { matchExpressions: [] } }), 'a selector of another form'],
    [newer({ selector, exceptFor: 'api' }), 'a field that might be about it'],
    [newer({ selector }, { spec: Buffer.from('{') }), 'no JSON'],
    [newer({ selector }, { spec: Buffer.from('[]') }), 'no object'],
    [newer({ selector }, { name: 'another' }), 'of another name'],
    [{ ...newer({ selector }), hash: 'f'.repeat(32) }, 'not as it was sent'],
    [{ ...newer({}), body: Buffer.from([255]), hash: hashOf(Buffer.from([255])) }, 'no message'],
  ] as const) {
    t.same(await standIn(resource), { kind: 'unreadable-policy', title, namespace: 'shop', spec: {} }, why)
  }
  const odd = { ...newer({}), name: 'policy/of-all' }
  t.same(await standIn(odd), { kind: 'unreadable-policy', title: odd.name, namespace: undefined, spec: {} })
  const ofNewKind = { ...newer({ selector }, { kind: 'POLICY_KIND_UNSPECIFIED' }), name: 'policy/RateLimit/shop/cart' }
  t.match(await standIn(ofNewKind), { title: 'RateLimit shop/cart', spec: { selector } })
})

t.test('a dry run that cannot be read closes nothing', async t => {
  const { after, inUse } = await applied(base, push([newer({}, { dryRun: true })]))
  t.match(after.rejected, [{ name }])
  t.same(inUse, [])
  t.notOk(after.held.has(name))
})

t.test(
  'the last version that could be read stays in use; a place is held until there is one, or none at all',
  async t => {
    const kept = await applied(base, push([known]), push([newer({})]))
    t.same(kept.inUse, [[]], 'nothing new was put in use')
    t.equal(kept.after.held.get(name)?.hash, known.hash)
    const read = await applied(base, push([newer({})]), push([newer({ selector })]), push([known]))
    t.match(read.inUse, [[{ spec: {} }], [{ spec: { selector } }], []])
    const gone = await applied(base, push([newer({})]), push([], [name]))
    t.match(gone.inUse, [[{ title }], []])
  },
)

t.test('a place is held over a restart, and the server is asked for the policy again', async t => {
  const { after } = await applied(base, push([newer({ selector })]))
  const { held, unusable } = restoreResources(after.held.values())
  t.match(unusable, [{ name }])
  t.match(agentConfigOf(held)?.policies.unreadable, [{ title, spec: { selector } }])
  t.match(
    haveOf(held).find(one => one.name === name),
    { hash: '0'.repeat(32) },
  )
  const rotten = { ...known, body: Buffer.from([1]) }
  const all = restoreResources([...base.held.values(), rotten])
  t.match(agentConfigOf(all.held)?.policies.unreadable, [{ title, spec: {} }], 'nor does a bad disk open anything')
})
