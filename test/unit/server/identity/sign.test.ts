import { X509Certificate } from 'node:crypto'
import t, { type Test } from 'tap'
import { createCsr } from '../../../../mesh/identity/csr.ts'
import { generateKeys } from '../../../../mesh/identity/keys.ts'
import { verifyChain } from '../../../../mesh/identity/verify.ts'
import type { Workload } from '../../../../mesh/model/workload.ts'
import { createSigner } from '../../../../server/identity/sign.ts'
import { derOf } from '../../../support/certificates.ts'
import { createJoinWorld } from '../../../support/join-world.ts'

const agent = (node: string) => `spiffe://td/mesh/agent/${node}`
const workloadId = (account: string) => `spiffe://td/ns/default/sa/${account}`
const refused = { name: 'MeshError', code: 'WEFT_IDENTITY_NOT_PLACED' }

async function createWorld(t: Test) {
  const world = await createJoinWorld(t)
  const workloads: Workload[] = []
  const signer = createSigner({
    authority: world.authority,
    nodes: world.store.nodes,
    workloads: () => workloads,
    operatorDeclared: registry => registry === 'files',
    log: world.log,
  })
  return {
    ...world,
    workloads,
    signer,
    sign: (node: string, identity: string, keys = generateKeys()) =>
      signer.sign({ node, currentIdentity: agent(node), identity, csr: createCsr(keys) }),
  }
}

function placed(node: string, serviceAccount: string, registry = 'files'): Workload {
  return {
    id: `${registry}/${serviceAccount}`,
    registry,
    namespace: 'default',
    name: serviceAccount,
    address: '10.0.0.1',
    node,
    serviceAccount,
    labels: {},
    locality: { region: '', zone: '', subzone: '' },
    weight: 1,
    health: 'healthy',
    callers: [],
  }
}

t.test('renews the certificate of an agent with the key that its node has joined with, and no other', async t => {
  const world = await createWorld(t)
  const keys = await world.joined('vm-1')
  const chain = await world.sign('vm-1', agent('vm-1'), keys)
  const ask = { chain: chain.map(derOf), roots: world.authority.trustBundle.roots, now: world.clock.now() }
  t.match(verifyChain({ ...ask, trustDomain: 'td' }), { kind: 'agent', node: 'vm-1' })
  t.ok(new X509Certificate(chain[0] ?? '').publicKey.equals(keys.publicKey))
  await t.rejects(world.sign('vm-1', agent('vm-1'), generateKeys()), refused)
})

t.test('gives a node the identities of workloads that an operator placed on it', async t => {
  const world = await createWorld(t)
  await world.joined('vm-1')
  await t.rejects(world.sign('vm-1', workloadId('web')), refused, 'nothing is placed yet')
  world.workloads.push(placed('vm-1', 'web'))
  const chain = await world.sign('vm-1', workloadId('web'))
  t.equal(new X509Certificate(chain[0] ?? '').subjectAltName, `URI:${workloadId('web')}`)
  world.workloads.pop()
  await t.rejects(world.sign('vm-1', workloadId('web')), refused, 'it has moved away')
})

t.test('gives each of three hosts exactly what is placed there', async t => {
  const world = await createWorld(t)
  const places = { 'vm-1': 'web', 'vm-2': 'api', 'vm-3': 'db' }
  for (const [node, account] of Object.entries(places)) {
    await world.joined(node)
    world.workloads.push(placed(node, account))
  }
  for (const [node, own] of Object.entries(places)) {
    for (const account of Object.values(places)) {
      const signing = world.sign(node, workloadId(account))
      if (account === own) t.ok(await signing, `${node} ${account}`)
      else await t.rejects(signing, refused, `${node} ${account}`)
    }
    for (const other of Object.keys(places)) {
      if (other !== node) await t.rejects(world.sign(node, agent(other)), refused, `${node} as agent of ${other}`)
    }
  }
})

t.test('takes what registers itself for discovery, never for identity', async t => {
  const world = await createWorld(t)
  await world.joined('vm-1')
  await world.joined('vm-2', ['default/web'])
  world.workloads.push(placed('vm-1', 'web', 'consul'), placed('vm-2', 'admin'))
  await t.rejects(world.sign('vm-1', workloadId('web')), refused)
  t.ok(await world.sign('vm-2', workloadId('web')), 'named in the token')
  await t.rejects(world.sign('vm-2', workloadId('admin')), refused, 'the token is the most it may have')
})

t.test('refuses identities of servers, of other trust domains, and what is none', async t => {
  const world = await createWorld(t)
  await world.joined('vm-1')
  await t.rejects(world.sign('vm-1', 'spiffe://td/mesh/server/s1'), refused)
  await t.rejects(world.sign('vm-1', 'spiffe://other/mesh/agent/vm-1'), refused)
  for (const text of ['', 'web', 'spiffe://td', `${agent('vm-1')}\u0000`, 'spiffe://TD/mesh/agent/vm-1']) {
    await t.rejects(world.sign('vm-1', text), { code: 'WEFT_SPIFFE_ID' }, JSON.stringify(text))
  }
})

t.test('signs only over a session that proved to be the agent of the node', async t => {
  const world = await createWorld(t)
  await world.joined('vm-1', ['default/web'])
  await world.joined('vm-2')
  const csr = createCsr(generateKeys())
  const others = [agent('vm-2'), workloadId('web'), 'spiffe://td/mesh/server/vm-1', 'spiffe://other/mesh/agent/vm-1']
  for (const currentIdentity of others) {
    const request = { node: 'vm-1', currentIdentity, identity: agent('vm-1'), csr }
    await t.rejects(world.signer.sign(request), { ...refused, message: /session/ }, currentIdentity)
  }
})

t.test('signs nothing for nodes that are banned or never joined', async t => {
  const world = await createWorld(t)
  await world.joined('vm-1', ['default/web'])
  const record = await world.store.nodes.get('vm-1')
  if (record === undefined) throw new Error('vm-1 has not joined')
  await world.store.nodes.put({ ...record, banned: true })
  await t.rejects(world.sign('vm-1', agent('vm-1')), { ...refused, message: /banned/ })
  await t.rejects(world.sign('vm-1', workloadId('web')), { ...refused, message: /banned/ })
  await t.rejects(world.sign('vm-9', agent('vm-9')), { ...refused, message: /not joined/ })
  t.match(world.reasons(), ['node is banned', 'node is banned', 'node has not joined'])
})

t.test('takes nothing from a request but a key that no other node has', async t => {
  const world = await createWorld(t)
  const keys = await world.joined('vm-1')
  await world.joined('vm-2')
  world.workloads.push(placed('vm-2', 'web'))
  await t.rejects(world.sign('vm-2', workloadId('web'), keys), { code: 'WEFT_CSR_REFUSED' })
  const request = { node: 'vm-1', currentIdentity: agent('vm-1'), identity: agent('vm-1') }
  await t.rejects(world.signer.sign({ ...request, csr: Buffer.from('x') }), { code: 'WEFT_CSR_REFUSED' })
})
