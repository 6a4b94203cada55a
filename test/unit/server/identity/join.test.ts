import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { createCsr } from '../../../../mesh/identity/csr.ts'
import { newJoinSecret } from '../../../../mesh/identity/join-token.ts'
import { generateKeys, spkiHash } from '../../../../mesh/identity/keys.ts'
import { verifyChain } from '../../../../mesh/identity/verify.ts'
import { derOf } from '../../../support/certificates.ts'
import { createJoinWorld } from '../../../support/join-world.ts'

const minute = 60_000
const refused = { name: 'MeshError', code: 'WEFT_TOKEN_REFUSED', message: 'join token is not valid for this node' }

t.test('gives a node the certificate of its agent and records what it may become', async t => {
  const { join, secretFor, store, clock, authority, tokens } = await createJoinWorld(t)
  const keys = generateKeys()
  const secret = await secretFor('vm-1', { identities: ['default/web'] })
  const { chain, roots, trustDomain } = await join({ secret, node: 'vm-1', csr: createCsr(keys) })
  t.equal(trustDomain, 'td')
  t.same(roots, authority.trustBundle.roots)
  t.same(verifyChain({ chain: chain.map(derOf), roots, trustDomain, now: clock.now() }), {
    kind: 'agent',
    trustDomain: 'td',
    node: 'vm-1',
  })
  t.ok(new X509Certificate(chain[0] ?? '').publicKey.equals(keys.publicKey))
  t.same(await store.nodes.get('vm-1'), {
    name: 'vm-1',
    identities: ['default/web'],
    joinedAt: clock.now(),
    keyHash: spkiHash(keys.publicKey),
    banned: false,
  })
  t.match(await tokens.list(), [{ usedAt: clock.now() }])
})

t.test('lets exactly one of 200 hosts in that race with one token', async t => {
  const { join, secretFor, store } = await createJoinWorld(t)
  const secret = await secretFor('vm-1')
  const hosts = Array.from({ length: 200 }, () => generateKeys())
  const results = await Promise.allSettled(hosts.map(keys => join({ secret, node: 'vm-1', csr: createCsr(keys) })))
  const winners = hosts.filter((_, at) => results[at]?.status === 'fulfilled')
  t.equal(winners.length, 1)
  t.equal((await store.nodes.get('vm-1'))?.keyHash, winners[0] && spkiHash(winners[0].publicKey))
  for (const result of results) if (result.status === 'rejected') t.match(result.reason, refused)
})

t.test('tells the caller nothing and the log everything', async t => {
  const { join, secretFor, tokens, clock, log, reasons, joined } = await createJoinWorld(t)
  const csr = () => createCsr(generateKeys())
  const secrets: string[] = []
  const secret = async (node: string) => {
    const made = await secretFor(node)
    secrets.push(made)
    return made
  }
  await t.rejects(join({ secret: newJoinSecret(), node: 'vm-1', csr: csr() }), refused)
  await t.rejects(join({ secret: '', node: 'vm-1', csr: csr() }), refused)
  await t.rejects(join({ secret: await secret('vm-1'), node: 'vm-2', csr: csr() }), refused)
  const revoked = await secret('vm-3')
  for (const { id, node } of await tokens.list()) if (node === 'vm-3') await tokens.revoke(id)
  await t.rejects(join({ secret: revoked, node: 'vm-3', csr: csr() }), refused)
  const used = await secret('vm-4')
  await join({ secret: used, node: 'vm-4', csr: csr() })
  await t.rejects(join({ secret: used, node: 'vm-4', csr: csr() }), refused)
  const expired = await secret('vm-5')
  await clock.advance(10 * minute)
  await t.rejects(join({ secret: expired, node: 'vm-5', csr: csr() }), refused)
  await t.rejects(join({ secret: await secret('vm-6'), node: '../admin', csr: csr() }), refused)
  const keys = await joined('vm-7')
  await t.rejects(join({ secret: await secret('vm-8'), node: 'vm-8', csr: createCsr(keys) }), refused)
  t.same(reasons(), [
    'token is unknown',
    'evidence is empty',
    'token is for another node',
    'token was revoked',
    'token was used before, with another key',
    'token has expired',
    'node name cannot be an identity',
    'key is in use by another node',
  ])
  const text = JSON.stringify(log.lines)
  for (const made of secrets) t.notOk(text.includes(made), 'no secret in the log')
})

t.test('answers the host that used a token again while the reply may have been lost', async t => {
  const { join, secretFor, clock, store, reasons } = await createJoinWorld(t)
  const keys = generateKeys()
  const secret = await secretFor('vm-1')
  const request = { secret, node: 'vm-1', csr: createCsr(keys) }
  await join(request)
  const record = await store.nodes.get('vm-1')
  await clock.advance(10 * minute)
  t.ok(await join({ ...request, csr: createCsr(keys) }), 'the same key in another request')
  t.same(await store.nodes.get('vm-1'), record)
  await t.rejects(join({ ...request, csr: createCsr(generateKeys()) }), refused, 'another key')
  await t.rejects(join({ ...request, node: 'vm-2' }), refused, 'another node')
  await clock.advance(1)
  await t.rejects(join(request), refused, 'too late')
  t.same(reasons(), [
    'token was used before, with another key',
    'key is in use by another node',
    'token was used before',
  ])
})

t.test('does not answer an old token again after the node joined with a newer one', async t => {
  const { join, secretFor, clock } = await createJoinWorld(t)
  const keys = generateKeys()
  const first = await secretFor('vm-1', { identities: ['default/admin'] })
  await join({ secret: first, node: 'vm-1', csr: createCsr(keys) })
  await clock.advance(minute)
  const second = await secretFor('vm-1')
  await join({ secret: second, node: 'vm-1', csr: createCsr(keys) })
  await t.rejects(join({ secret: first, node: 'vm-1', csr: createCsr(keys) }), refused)
})

t.test('lets a node join anew with a new key, and with what the new token says', async t => {
  const { joined, store, clock } = await createJoinWorld(t)
  await joined('vm-1', ['default/web'])
  await clock.advance(minute)
  const keys = await joined('vm-1', ['default/api'])
  t.match(await store.nodes.get('vm-1'), {
    identities: ['default/api'],
    joinedAt: clock.now(),
    keyHash: spkiHash(keys.publicKey),
  })
})

t.test('lets no banned node in, with any token, and does not use the token up', async t => {
  const { join, secretFor, joined, store, tokens } = await createJoinWorld(t)
  await joined('vm-1')
  const record = await store.nodes.get('vm-1')
  if (record === undefined) throw new Error('vm-1 has not joined')
  await store.nodes.put({ ...record, banned: true })
  const secret = await secretFor('vm-1')
  await t.rejects(join({ secret, node: 'vm-1', csr: createCsr(generateKeys()) }), refused)
  t.equal((await store.nodes.get('vm-1'))?.banned, true)
  const left = (await tokens.list()).filter(({ usedAt }) => usedAt === undefined)
  t.equal(left.length, 1)
})

t.test('keeps a token usable when the request that came with it was bad', async t => {
  const { join, secretFor } = await createJoinWorld(t)
  const secret = await secretFor('vm-1')
  await t.rejects(join({ secret, node: 'vm-1', csr: Buffer.from('garbage') }), { code: 'WEFT_CSR_REFUSED' })
  t.ok(await join({ secret, node: 'vm-1', csr: createCsr(generateKeys()) }))
})
