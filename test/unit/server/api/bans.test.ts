import t from 'tap'
import { generateKeys } from '../../../../mesh/identity/keys.ts'
import { createApiWorld } from '../../../support/api-world.ts'

const web = 'spiffe://td/ns/shop/sa/web'
const hour = 3_600_000

t.test('operators see who has which identity, ban and let in again', async t => {
  const world = await createApiWorld(t)
  await world.parts.nodes.put({ name: 'vm-1', identities: [], joinedAt: 1, keyHash: 'k', banned: false })
  world.authority.issue(web, generateKeys().publicKey, hour, { node: 'vm-1', evidence: 'join-token' })
  world.authority.issue(web, generateKeys().publicKey, 2 * hour, { node: 'vm-1', evidence: 'join-token' })
  const list = async () => (await world.operator('GET', '/v1/identities')).json.identities
  const row = { identity: web, node: 'vm-1', evidence: 'join-token', notAfter: world.clock.now() + 2 * hour }
  t.match(await list(), [{ ...row, banned: false }])
  t.match((await world.operator('GET', '/v1/identities/log?node=vm-1&limit=1')).json, { issued: [{ identity: web }] })

  const made = await world.operator('POST', '/v1/bans', JSON.stringify({ who: 'vm-1', reason: 'stolen' }))
  t.match(made, { status: 200, json: { subject: { kind: 'node', name: 'vm-1' }, reason: 'stolen' } })
  t.match(await list(), [{ ...row, banned: true }])
  t.match((await world.operator('GET', '/v1/bans')).json, { bans: [{ reason: 'stolen' }] })
  t.equal((await world.operator('POST', '/v1/bans', JSON.stringify({ who: web }))).status, 200)
  t.equal((await world.operator('DELETE', `/v1/bans/${encodeURIComponent(web)}`)).status, 200)
  t.equal((await world.operator('DELETE', '/v1/bans/vm-1')).status, 200)
  t.match(await list(), [{ ...row, banned: false }])
  t.equal((await world.operator('DELETE', '/v1/bans/vm-1')).status, 404)
})

t.test('refuses what is no ban and no query, and everybody without a token', async t => {
  const world = await createApiWorld(t)
  for (const body of ['{}', '{"who":7}', '{"who":"vm-1","reason":7}', `{"who":"vm-1","reason":"${'x'.repeat(501)}"}`]) {
    t.match(await world.operator('POST', '/v1/bans', body), { status: 400, json: { code: 'WEFT_USAGE' } }, body)
  }
  for (const limit of ['0', 'all', '10001', '1.5']) {
    t.equal((await world.operator('GET', `/v1/identities/log?limit=${limit}`)).status, 400, limit)
  }
  for (const [method, path] of [
    ['GET', '/v1/identities'],
    ['GET', '/v1/identities/log'],
    ['GET', '/v1/bans'],
    ['POST', '/v1/bans'],
    ['DELETE', '/v1/bans/vm-1'],
  ] as const) {
    t.equal((await world.ask(method, path, method === 'POST' ? { body: '{}' } : {})).status, 401, path)
  }
})
