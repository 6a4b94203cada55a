import t from 'tap'
import { hashSecret, parseJoinToken } from '../../../../mesh/identity/join-token.ts'
import { createJoinWorld } from '../../../support/join-world.ts'

const minute = 60_000

t.test('makes a token for a node that carries the root hash, and keeps only the hash of its secret', async t => {
  const { tokens, authority, clock, log } = await createJoinWorld(t)
  const { token, record } = await tokens.create({ node: 'vm-1', identities: ['default/web', 'default/web'] })
  const { node, secret, rootHash } = parseJoinToken(token)
  t.equal(node, 'vm-1')
  t.equal(rootHash, authority.rootHash)
  t.match(record, {
    node: 'vm-1',
    identities: ['default/web'],
    hash: hashSecret(secret),
    createdAt: clock.now(),
    expiresAt: clock.now() + 10 * minute,
  })
  t.same(await tokens.list(), [record])
  for (const text of [JSON.stringify(await tokens.list()), JSON.stringify(log.lines)]) {
    t.notOk(text.includes(secret))
    t.notOk(text.includes(token))
  }
})

t.test('refuses names that can never be identities', async t => {
  const { tokens } = await createJoinWorld(t)
  for (const node of ['', 'a b', '..', 'a/b']) await t.rejects(tokens.create({ node }), { code: 'WEFT_SPIFFE_ID' })
  for (const identity of ['', 'web', '/web', 'default/', 'default/web/x', 'Default/web', 'a.b/web', 'default/../web']) {
    await t.rejects(tokens.create({ node: 'vm', identities: [identity] }), { code: 'WEFT_SPIFFE_ID' }, identity)
  }
  t.same(await tokens.list(), [])
})

t.test('keeps the life of a token within bounds', async t => {
  const { tokens, clock } = await createJoinWorld(t)
  const { record } = await tokens.create({ node: 'vm', ttlMs: 60 * minute })
  t.equal(record.expiresAt, clock.now() + 60 * minute)
  for (const ttlMs of [0, -1, 59_999, Number.NaN, Number.POSITIVE_INFINITY, 8 * 24 * 60 * minute]) {
    await t.rejects(tokens.create({ node: 'vm', ttlMs }), { code: 'WEFT_USAGE' }, String(ttlMs))
  }
})

t.test('revokes a token by its public handle, once', async t => {
  const { tokens } = await createJoinWorld(t)
  const { record } = await tokens.create({ node: 'vm' })
  await t.rejects(tokens.revoke('unknown'), { code: 'WEFT_NOT_FOUND' })
  await tokens.revoke(record.id)
  await t.rejects(tokens.revoke(record.id), { code: 'WEFT_NOT_FOUND' })
})
