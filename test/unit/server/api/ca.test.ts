import t from 'tap'
import { parseCsr } from '../../../../mesh/identity/csr.ts'
import { generateKeys, spkiHash } from '../../../../mesh/identity/keys.ts'
import { createApiWorld } from '../../../support/api-world.ts'

t.test('operators see the authority, change its root, and take that back', async t => {
  const world = await createApiWorld(t)
  const { chain } = await world.authority.issue('spiffe://td/mesh/agent/vm-9', generateKeys().publicKey, 60_000, {
    node: 'vm-9',
    evidence: 'join',
  })
  t.equal(chain.length, 2)
  await world.parts.nodes.put({ name: 'vm-9', identities: [], joinedAt: 1, keyHash: '', banned: false })
  const { rootHash } = world.authority
  const before = await world.operator('GET', '/v1/ca')
  t.match(before.json, { trustDomain: 'td', root: rootHash, trusted: [rootHash], former: [], history: [] })
  t.equal(before.json.rotation, undefined)

  const begun = await world.operator('POST', '/v1/ca/rotation', '{"renewWithinMs":1000}')
  t.match(begun.json, { rotation: { step: 'preparing', from: rootHash, missing: [{ node: 'vm-9' }] } })
  t.match(await world.operator('POST', '/v1/ca/rotation', '{}'), { status: 409, json: { code: 'WEFT_ROTATION' } })
  t.match((await world.operator('POST', '/v1/ca/rotation/force', '')).json, { skipped: [{ node: 'vm-9' }] })
  t.match((await world.operator('POST', '/v1/ca/rotation/abort', '')).json, { rotation: { aborting: true } })
})

t.test('refuses what a rotation does not have, and everybody without a token', async t => {
  const world = await createApiWorld(t)
  for (const body of ['{"renewWithinMs":-1}', '{"retentionMs":"1d"}', '{"compromised":1}', '{"when":"now"}', '[]']) {
    t.match(await world.operator('POST', '/v1/ca/rotation', body), { status: 400, json: { code: 'WEFT_USAGE' } }, body)
  }
  t.match(await world.operator('POST', '/v1/ca/rotation/abort', ''), { status: 409 })
  for (const [method, path] of [
    ['GET', '/v1/ca'],
    ['POST', '/v1/ca/rotation'],
    ['POST', '/v1/ca/rotation/force'],
    ['POST', '/v1/ca/rotation/abort'],
  ] as const) {
    t.equal((await world.ask(method, path, method === 'POST' ? { body: '{}' } : {})).status, 401, path)
  }
})

t.test('gives a request for the operator’s own authority, and takes only what answers it', async t => {
  const world = await createApiWorld(t)
  const keyAskedFor = async () => {
    const { csr } = (await world.operator('POST', '/v1/ca/csr', '')).json
    const [, base64 = ''] = /^-----BEGIN CERTIFICATE REQUEST-----([^-]+)-----END/.exec(String(csr)) ?? []
    return spkiHash(parseCsr(Buffer.from(base64, 'base64')))
  }
  t.equal(await keyAskedFor(), await keyAskedFor(), 'the same key until it is answered')
  const [root = ''] = world.authority.trustBundle.roots
  const foreign = JSON.stringify({ chain: root + root })
  t.match(await world.operator('POST', '/v1/ca/install', foreign), { json: { code: 'WEFT_CERTIFICATE_REFUSED' } })
  t.equal((await world.operator('POST', '/v1/ca/install', '{}')).status, 400)
  for (const path of ['/v1/ca/csr', '/v1/ca/install']) {
    t.equal((await world.ask('POST', path, { body: '{}' })).status, 401, path)
  }
})
