import t, { type Test } from 'tap'
import { generateKeys, spkiHash } from '../../../../mesh/identity/keys.ts'
import { advanceTrustBundle } from '../../../../mesh/identity/trust-bundle.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { openAuthority } from '../../../../server/identity/authority.ts'
import { openBans } from '../../../../server/identity/bans.ts'
import { openNodes } from '../../../../server/nodes.ts'
import { openSqliteStore } from '../../../../server/store/sqlite.ts'
import { FakeClock } from '../../../fakes/clock.ts'

const hour = 3_600_000
const web = 'spiffe://td/ns/shop/sa/web'

async function aWorld(t: Test) {
  const clock = new FakeClock()
  const store = openSqliteStore(':memory:', { log: silentLog })
  t.teardown(() => store.close())
  const nodes = await openNodes(store.nodes)
  const dataDir = t.testdir({})
  const start = async () => {
    const authority = await openAuthority({ dataDir, trustDomain: 'td' }, { clock, log: silentLog })
    const bans = await openBans({ clock, log: silentLog, authority, nodes })
    t.teardown(() => bans.stop())
    return { authority, bans }
  }
  const join = async (name: string) => {
    await nodes.put({ ...(await nodes.get(name)), name, identities: [], joinedAt: 1, keyHash: 'k', banned: false })
  }
  await join('vm-1')
  await join('vm-2')
  return { clock, nodes, start, dataDir, ...(await start()) }
}

const to = (node: string) => ({ node, evidence: 'join-token' })

t.test('a node is banned with every key it has a valid certificate for', async t => {
  const { authority, bans, nodes, clock } = await aWorld(t)
  const before = authority.trustBundle
  const [old, mine, others] = [generateKeys(), generateKeys(), generateKeys()]
  authority.issue(web, old.publicKey, hour, to('vm-1'))
  await clock.advance(2 * hour)
  authority.issue(web, mine.publicKey, hour, to('vm-1'))
  authority.issue(web, others.publicKey, hour, to('vm-2'))
  const ban = await bans.ban('vm-1', 'stolen')
  t.match(ban, { subject: { kind: 'node', name: 'vm-1' }, reason: 'stolen', at: clock.now() })
  t.same(authority.trustBundle.bannedKeys, [spkiHash(mine.publicKey)])
  t.equal(authority.trustBundle.bannedIdentities, undefined, 'others have the same identity')
  t.ok(advanceTrustBundle(before, authority.trustBundle).sequence > before.sequence)
  t.equal((await nodes.get('vm-1'))?.banned, true)
  t.throws(() => authority.issue(web, generateKeys().publicKey, hour, to('vm-1')), { code: 'WEFT_BANNED' })
  t.ok(authority.issue(web, generateKeys().publicKey, hour, to('vm-2')))
  await clock.advance(3 * hour)
  t.equal(authority.trustBundle.bannedKeys, undefined, 'keys are forgotten with their certificates')
  t.equal(bans.list().length, 1, 'the node is not')
})

t.test('an identity is banned wherever it is', async t => {
  const { authority, bans } = await aWorld(t)
  await bans.ban(web, '')
  t.same(authority.trustBundle.bannedIdentities, [web])
  for (const node of ['vm-1', 'vm-2']) {
    t.throws(() => authority.issue(web, generateKeys().publicKey, hour, to(node)), { code: 'WEFT_BANNED' })
    t.ok(authority.issue('spiffe://td/ns/shop/sa/api', generateKeys().publicKey, hour, to(node)))
  }
  const banned = authority.trustBundle
  await bans.unban(web)
  t.equal(authority.trustBundle.bannedIdentities, undefined)
  t.ok(authority.trustBundle.sequence > banned.sequence)
  t.ok(authority.issue(web, generateKeys().publicKey, hour, to('vm-1')))
})

t.test('bans outlive a restart, also one between their two writes', async t => {
  const world = await aWorld(t)
  await world.bans.ban('spiffe://td/mesh/agent/vm-1', 'by the id of its agent')
  await world.bans.ban(web, '')
  const { trustBundle } = world.authority
  await world.nodes.put({ name: 'vm-1', identities: [], joinedAt: 1, keyHash: 'k', banned: false })
  const again = await world.start()
  t.same(again.authority.trustBundle, trustBundle)
  t.equal(again.bans.list().length, 2)
  t.equal((await world.nodes.get('vm-1'))?.banned, true)
  await again.bans.unban('vm-1')
  t.equal((await world.nodes.get('vm-1'))?.banned, false)
  t.equal((await world.start()).bans.list().length, 1)
})

t.test('refuses what cannot be banned, and lifting a ban that is not there', async t => {
  const { bans, authority } = await aWorld(t)
  const { sequence } = authority.trustBundle
  await t.rejects(bans.ban('vm-9', ''), { code: 'WEFT_NOT_FOUND' })
  await t.rejects(bans.ban('spiffe://td/mesh/server/s1', ''), { code: 'WEFT_USAGE' })
  await t.rejects(bans.ban('spiffe://other/ns/a/sa/b', ''), { code: 'WEFT_USAGE' })
  await t.rejects(bans.ban('spiffe://td/nonsense', ''), { code: 'WEFT_SPIFFE_ID' })
  await t.rejects(bans.ban('no node', ''), { code: 'WEFT_SPIFFE_ID' })
  await t.rejects(bans.unban('vm-1'), { code: 'WEFT_NOT_FOUND' })
  await t.rejects(bans.unban(web), { code: 'WEFT_NOT_FOUND' })
  t.equal(authority.trustBundle.sequence, sequence)
})

t.test('what was issued can be looked up by node and identity, newest first', async t => {
  const { authority, clock } = await aWorld(t)
  for (const node of ['vm-1', 'vm-2', 'vm-1']) {
    authority.issue(web, generateKeys().publicKey, hour, to(node))
    await clock.advance(20 * 24 * hour)
  }
  authority.issue('spiffe://td/ns/shop/sa/api', generateKeys().publicKey, hour, to('vm-1'))
  const find = (query: object) => authority.issued.read({ limit: 100, ...query }).map(({ node, at }) => [node, at])
  const all = find({})
  t.equal(all.length, 4, 'over several months')
  t.same(
    all.map(([, at]) => at),
    all
      .map(([, at]) => at)
      .sort()
      .reverse(),
  )
  t.equal(find({ node: 'vm-1' }).length, 3)
  t.equal(find({ node: 'vm-1', identity: web }).length, 2)
  t.same(find({ limit: 1 }), all.slice(0, 1))
  t.same(find({ node: 'vm-9' }), [])
})
