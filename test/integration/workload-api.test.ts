import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { status } from '@grpc/grpc-js'
import t, { type Test } from 'tap'
import type { AgentResource, LocalWorkloadResource } from '../../mesh/model/agent-config.ts'
import { aConfig, aWorkload } from '../support/agent-config.ts'
import { type AgentWorld, agentWorld } from '../support/agent-world.ts'
import { testAuthority } from '../support/authority.ts'
import { eventually } from '../support/eventually.ts'
import { openFolder, workloadClient } from '../support/workload-api.ts'

const [webUid, strangerUid] = [42_421, 42_422]
const web = 'spiffe://mesh.test/ns/default/sa/web'
const api = 'spiffe://mesh.test/ns/default/sa/api'
const webOf = (identity: string, id = 'static/web-1') =>
  aWorkload({ id, identity, address: '127.0.0.1', callers: [{ kind: 'uid', uid: webUid }] })

function resources(
  world: AgentWorld,
  workloads: readonly LocalWorkloadResource[],
  trust: { sequence: number; roots: readonly string[] } = { sequence: 1, roots: [world.authority.root] },
): AgentResource[] {
  const base = aConfig()
  return [
    { ...base.host, node: 'vm-1', trustDomain: 'mesh.test' },
    { kind: 'trust', trustDomain: 'mesh.test', ...trust },
    ...workloads,
  ]
}

async function serving(t: Test, ...workloads: LocalWorkloadResource[]) {
  const world = await agentWorld(t)
  world.push(...resources(world, workloads))
  const socket = join(openFolder(t), 'workload.sock')
  const agent = await world.start({ WEFT_AGENT_WORKLOAD_API_SOCKET: socket })
  await eventually(() => assert.deepEqual(agent.status().notReady, []))
  return { world, agent, socket }
}

/** The certificate at the front of concatenated DER. */
const first = (base64 = '') => new X509Certificate(Buffer.from(base64, 'base64'))

t.test('a process of a workload is given its certificate, its key and the roots', async t => {
  const { world, agent, socket } = await serving(t, webOf(web))
  t.equal(agent.addresses.workloadApi, socket)
  t.equal(statSync(socket).mode & 0o777, 0o666)
  const { message } = await workloadClient(t, webUid, socket, 'FetchX509SVID').heard(1)
  const [svid, ...more] = message?.svids ?? []
  t.equal(more.length, 0)
  t.equal(svid?.spiffeId, web)
  const leaf = first(svid?.x509Svid)
  t.equal(leaf.subjectAltName, `URI:${web}`)
  const key = createPrivateKey({ key: Buffer.from(svid?.x509SvidKey ?? '', 'base64'), type: 'pkcs8', format: 'der' })
  t.ok(leaf.checkPrivateKey(key), 'the key is of the certificate')
  t.ok(first(svid?.bundle).raw.equals(new X509Certificate(world.authority.root).raw))
})

t.test('the roots alone are given by the id of their trust domain', async t => {
  const { world, socket } = await serving(t, webOf(web))
  const { message } = await workloadClient(t, webUid, socket, 'FetchX509Bundles').heard(1)
  t.same(Object.keys(message?.bundles ?? {}), ['spiffe://mesh.test'])
  const root = first(message?.bundles?.['spiffe://mesh.test'])
  t.ok(root.raw.equals(new X509Certificate(world.authority.root).raw))
})

t.test('a process of no workload is given nothing, not even as root', async t => {
  const { socket } = await serving(t, webOf(web))
  for (const uid of [strangerUid, 0]) {
    for (const method of ['FetchX509SVID', 'FetchX509Bundles']) {
      const client = workloadClient(t, uid, socket, method)
      t.match(await client.heard(1), { code: status.PERMISSION_DENIED })
    }
  }
})

t.test('calls without the metadata are refused, and methods that there are not', async t => {
  const { socket } = await serving(t, webOf(web))
  for (const mark of ['', 'True', 'false']) {
    const client = workloadClient(t, webUid, socket, 'FetchX509SVID', mark)
    t.match(await client.heard(1), { code: status.INVALID_ARGUMENT })
  }
  t.match(await workloadClient(t, webUid, socket, 'FetchWITSVID').heard(1), { code: status.UNIMPLEMENTED })
})

t.test('every change is a whole new message, and losing the identity ends the stream', async t => {
  const { world, socket } = await serving(t, webOf(web))
  const client = workloadClient(t, webUid, socket, 'FetchX509SVID')
  await client.heard(1)

  world.push(...resources(world, [webOf(web), webOf(api, 'static/api-1')]))
  const both = await client.heard(2)
  t.same(
    both.message?.svids?.map(({ spiffeId }) => spiffeId),
    [api, web],
    'a caller of two workloads has both identities',
  )

  const roots = [world.authority.root, testAuthority(Date.now()).root]
  world.push(...resources(world, [webOf(web), webOf(api, 'static/api-1')], { sequence: 2, roots }))
  const trusting = await client.heard(3)
  const ders = Buffer.concat(roots.map(pem => new X509Certificate(pem).raw))
  for (const { bundle } of trusting.message?.svids ?? []) t.ok(Buffer.from(bundle, 'base64').equals(ders))

  world.push(...resources(world, [webOf(web)], { sequence: 2, roots }))
  const one = await client.heard(4)
  t.same(
    one.message?.svids?.map(({ spiffeId }) => spiffeId),
    [web],
  )

  world.push(...resources(world, [], { sequence: 2, roots }))
  t.match(await client.heard(5), { code: status.PERMISSION_DENIED })
})

t.test('an identity without a certificate is unavailable rather than denied', async t => {
  const world = await agentWorld(t)
  world.refuse.add(web)
  world.push(...resources(world, [webOf(web)]))
  const socket = join(openFolder(t), 'workload.sock')
  const agent = await world.start({ WEFT_AGENT_WORKLOAD_API_SOCKET: socket })
  await eventually(() => assert.equal(agent.status().config.resources, 3))
  t.match(await workloadClient(t, webUid, socket, 'FetchX509SVID').heard(1), { code: status.UNAVAILABLE })
})

t.test('streams end as unavailable when the agent stops', async t => {
  const { agent, socket } = await serving(t, webOf(web))
  const client = workloadClient(t, webUid, socket, 'FetchX509SVID')
  await client.heard(1)
  await agent.stop()
  t.match(await client.heard(2), { code: status.UNAVAILABLE, details: 'the agent stops' })
})
