import { mkdtempSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { agentState } from '../../../../agent/control/agent-state.ts'
import { joinMesh } from '../../../../agent/control/join.ts'
import { openStateDirectory } from '../../../../agent/control/state-directory.ts'
import { formatJoinToken, newJoinSecret } from '../../../../mesh/identity/join-token.ts'
import { systemClock } from '../../../../mesh/std/clock.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { type TestAuthority, testAuthority } from '../../../support/authority.ts'

const hour = 3_600_000
const nodeId = 'spiffe://mesh.test/mesh/agent/vm-1'
const serverId = 'spiffe://mesh.test/mesh/server/one'
const validity = () => ({ notBefore: Date.now() - hour, notAfter: Date.now() + hour })

interface Received {
  readonly bytes: string
  readonly body: { secret: string; node: string; csr: string }
}

type Handler = (received: Received, authority: TestAuthority) => { status: number; body: unknown }

const signs: Handler = ({ body }, authority) => ({
  status: 200,
  body: {
    chain: authority.sign(nodeId, Buffer.from(body.csr, 'base64'), validity()),
    roots: [authority.root],
    trustDomain: 'mesh.test',
  },
})

/** A server that presents this key and chain; `received` is every request body it ever saw. */
async function serve(
  t: Test,
  authority: TestAuthority,
  handler: Handler,
  presented = authority.issue(serverId, validity()),
): Promise<{ port: number; received: Received[] }> {
  const received: Received[] = []
  const server = createServer({ key: presented.key, cert: presented.chain })
  server.on('request', async (request: IncomingMessage, response: ServerResponse) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const bytes = Buffer.concat(parts).toString()
    const one = { bytes, body: JSON.parse(bytes) }
    received.push(one)
    const answer = handler(one, authority)
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, received }
}

async function freshState(t: Test) {
  const path = mkdtempSync(join(tmpdir(), 'weft-join-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return agentState(await openStateDirectory(path, { clock: systemClock, log: silentLog }))
}

function options(port: number, rootHash: string, node = 'vm-1') {
  const token = formatJoinToken({ node: 'vm-1', secret: newJoinSecret(), rootHash })
  return { node, server: { host: '127.0.0.1', apiPort: port }, token }
}

t.test('joins and keeps key, certificate and roots', async t => {
  const authority = testAuthority(Date.now())
  const { port } = await serve(t, authority, signs)
  const state = await freshState(t)
  const held = await joinMesh({ clock: systemClock, state }, options(port, authority.rootHash))
  t.equal(held.identity, nodeId)
  t.match(await state.node(), { identity: nodeId, key: held.key, chain: held.chain })
  t.same(await state.trust(), { trustDomain: 'mesh.test', sequence: -1, roots: [authority.root] })
})

t.test('sends nothing to a server it cannot prove to be the right one', async t => {
  const authority = testAuthority(Date.now())
  const rogue = testAuthority(Date.now())
  const expired = { notBefore: Date.now() - 2 * hour, notAfter: Date.now() - hour }
  const genuine = authority.issue(serverId, validity())
  const fake = rogue.issue(serverId, validity())
  const cases: [string, { key: string; chain: string }][] = [
    ['another root', fake],
    ['another root, with the right one appended', { key: fake.key, chain: fake.chain + authority.root }],
    [
      'another root, with the right one alone above the leaf',
      {
        key: fake.key,
        chain: `${fake.chain.slice(0, fake.chain.indexOf('-----BEGIN', 20))}${authority.root}`,
      },
    ],
    ['a certificate of an agent', authority.issue(nodeId, validity())],
    ['a certificate of a workload', authority.issue('spiffe://mesh.test/ns/shop/sa/web', validity())],
    ['an expired certificate', authority.issue(serverId, expired)],
    ['no root at all', { key: genuine.key, chain: genuine.chain.slice(0, genuine.chain.indexOf('-----BEGIN', 20)) }],
  ]
  for (const [what, presented] of cases) {
    const { port, received } = await serve(t, authority, signs, presented)
    const state = await freshState(t)
    const joining = joinMesh({ clock: systemClock, state }, options(port, authority.rootHash))
    await t.rejects(joining, { code: 'WEFT_SERVER_UNTRUSTED' }, what)
    t.same(received, [], what)
  }
})

t.test('asks for the same key when it tries again', async t => {
  const authority = testAuthority(Date.now())
  let tries = 0
  const flaky: Handler = (received, from) => {
    tries += 1
    return tries === 1 ? { status: 200, body: '{"chain": [' } : signs(received, from)
  }
  const { port, received } = await serve(t, authority, flaky)
  const state = await freshState(t)
  await t.rejects(joinMesh({ clock: systemClock, state }, options(port, authority.rootHash)), {
    code: 'WEFT_SERVER_UNREACHABLE',
  })
  const before = await state.node()
  t.match(before?.key, /PRIVATE KEY/)
  t.equal(before?.chain, undefined)
  const held = await joinMesh({ clock: systemClock, state }, options(port, authority.rootHash))
  t.equal(held.key, before?.key)
  t.equal(received.length, 2)
})

t.test('passes on the server’s refusal with its code and next step', async t => {
  const authority = testAuthority(Date.now())
  const refusal = { code: 'WEFT_TOKEN_REFUSED', message: 'join token has been used', next: 'create a new one' }
  const { port } = await serve(t, authority, () => ({ status: 403, body: refusal }))
  const state = await freshState(t)
  await t.rejects(joinMesh({ clock: systemClock, state }, options(port, authority.rootHash)), refusal)
})

t.test('keeps nothing of an answer that does not hold', async t => {
  const authority = testAuthority(Date.now())
  const other = testAuthority(Date.now())
  const answers: [string, Handler][] = [
    ['of another identity', ({ body }, from) => ({ status: 200, body: { ...signed(from, serverId, body.csr) } })],
    ['of another key', () => ({ status: 200, body: { ...signed(authority, nodeId, undefined) } })],
    [
      'of another root',
      ({ body }) => ({ status: 200, body: { ...signed(other, nodeId, body.csr), roots: [authority.root] } }),
    ],
    [
      'of a root that has not proved the server',
      ({ body }) => ({ status: 200, body: { ...signed(other, nodeId, body.csr) } }),
    ],
    [
      'of another trust domain',
      ({ body }, from) => ({ status: 200, body: { ...signed(from, nodeId, body.csr), trustDomain: 'other' } }),
    ],
    ['empty', () => ({ status: 200, body: {} })],
    ['null', () => ({ status: 200, body: null })],
  ]
  for (const [what, handler] of answers) {
    const { port } = await serve(t, authority, handler)
    const state = await freshState(t)
    await t.rejects(
      joinMesh({ clock: systemClock, state }, options(port, authority.rootHash)),
      { code: /^WEFT_/ },
      what,
    )
    t.equal((await state.node())?.chain, undefined, what)
    t.equal(await state.trust(), undefined, what)
  }
})

t.test('refuses a token for another node, and one that is cut short, before it connects', async t => {
  const state = await freshState(t)
  const good = options(1, 'a'.repeat(64))
  await t.rejects(joinMesh({ clock: systemClock, state }, { ...good, node: 'vm-2' }), { code: 'WEFT_TOKEN_REFUSED' })
  const cut = { ...good, token: good.token.slice(0, -3) }
  await t.rejects(joinMesh({ clock: systemClock, state }, cut), { code: 'WEFT_TOKEN_REFUSED' })
})

t.test('says that nobody answers', async t => {
  const { port } = await serve(t, testAuthority(Date.now()), signs)
  const state = await freshState(t)
  const closed = { ...options(port, 'a'.repeat(64)), server: { host: '127.0.0.1', apiPort: 1 } }
  await t.rejects(joinMesh({ clock: systemClock, state }, closed), {
    code: 'WEFT_SERVER_UNREACHABLE',
    fields: { address: '127.0.0.1:1' },
  })
})

function signed(authority: TestAuthority, identity: string, csr: string | undefined) {
  const chain =
    csr === undefined
      ? [authority.issue(identity, validity()).chain]
      : authority.sign(identity, Buffer.from(csr, 'base64'), validity())
  return { chain, roots: [authority.root], trustDomain: 'mesh.test' }
}
