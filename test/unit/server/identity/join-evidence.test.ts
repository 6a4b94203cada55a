import t, { type Test } from 'tap'
import { createCsr } from '../../../../mesh/identity/csr.ts'
import { generateKeys, type KeyPair } from '../../../../mesh/identity/keys.ts'
import { parseCertificate } from '../../../../mesh/identity/x509.ts'
import type { Workload } from '../../../../mesh/model/workload.ts'
import { createSigner } from '../../../../server/identity/sign.ts'
import { joinPolicy, nomadEvidence, plainAttestor } from '../../../support/evidence.ts'
import { createJoinWorld } from '../../../support/join-world.ts'

const refused = { code: 'WEFT_EVIDENCE_REFUSED', message: 'evidence is not good for this node' }
const proofOf = (id: string) => ({ proof: { id, expiresAt: Number.MAX_SAFE_INTEGER } })

async function createWorld(t: Test) {
  const world = await createJoinWorld(t)
  world.judging.attestors.set('nomad', plainAttestor)
  world.policies.push(joinPolicy('vms'))
  const workloads: Workload[] = []
  const signer = createSigner({
    authority: world.authority,
    nodes: world.store.nodes,
    workloads: () => workloads,
    operatorDeclared: registry => registry === 'files',
    admission: world.judging.admission,
    log: world.log,
  })
  return {
    ...world,
    workloads,
    enter: (node: string, keys: KeyPair, evidence = nomadEvidence(node)) =>
      world.joinWith({ evidence, node, csr: createCsr(keys) }),
    sign: (node: string, identity: string, keys = generateKeys()) =>
      signer.sign({ node, currentIdentity: `spiffe://td/mesh/agent/${node}`, identity, csr: createCsr(keys) }),
  }
}

const workload = (node: string, serviceAccount: string, registry = 'nomad'): Workload => ({
  id: `${registry}/${node}/${serviceAccount}`,
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
})
const idOf = (account: string) => `spiffe://td/ns/default/sa/${account}`

t.test('records what a host has proved, and gives it the certificate of its agent', async t => {
  const { enter, store, clock } = await createWorld(t)
  const { chain } = await enter('vm-1', generateKeys())
  t.same(parseCertificate(chain[0] ?? '').uris, ['spiffe://td/mesh/agent/vm-1'])
  t.match(await store.nodes.get('vm-1'), {
    identities: [],
    evidence: { kind: 'nomad', grade: 4, instance: 'id-of-vm-1', claims: { job: 'weft-agent' }, at: clock.now() },
  })
})

t.test('tells the host nothing and the log everything', async t => {
  const { enter, reasons, policies } = await createWorld(t)
  const keys = generateKeys()
  await t.rejects(enter('vm-1', keys, { kind: 'nomad', payload: '' }), refused)
  await t.rejects(enter('vm-2', keys, nomadEvidence('vm-1')), refused)
  await t.rejects(enter('db-1', keys), refused)
  await t.rejects(enter('vm-1', keys, nomadEvidence('vm-1', { grade: 2 })), refused)
  await t.rejects(enter('vm-1', keys, nomadEvidence('vm-1', { claims: { namespace: 'infra', job: 'other' } })), refused)
  await t.rejects(enter('vm-1', keys, nomadEvidence('vm-1', { claims: { job: 'weft-agent' } })), refused)
  policies.length = 0
  policies.push(joinPolicy('elsewhere', {}, 'default'))
  await t.rejects(enter('vm-1', keys), refused, 'a policy of another namespace')
  const policy = 'no JoinPolicy lets this evidence in as this node'
  t.same(reasons(), ['nothing was brought', 'evidence is of node vm-1', policy, policy, policy, policy, policy])
})

t.test('exactly one of 200 hosts is let in with one piece of evidence', async t => {
  const { enter, store } = await createWorld(t)
  const evidence = nomadEvidence('vm-1', proofOf('one'))
  const hosts = Array.from({ length: 200 }, () => generateKeys())
  const results = await Promise.allSettled(hosts.map(keys => enter('vm-1', keys, evidence)))
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  t.equal((await store.nodes.list()).length, 1)
})

t.test('evidence is good again for the key that has used it, and for no other', async t => {
  const { enter, reasons } = await createWorld(t)
  const keys = generateKeys()
  const evidence = nomadEvidence('vm-1', proofOf('one'))
  await enter('vm-1', keys, evidence)
  t.ok(await enter('vm-1', keys, evidence))
  await t.rejects(enter('vm-1', generateKeys(), evidence), refused)
  const others = generateKeys()
  await enter('vm-1', others, nomadEvidence('vm-1', proofOf('two')))
  await t.rejects(enter('vm-1', keys, evidence), refused, 'nor for the old key once there is a newer one')
  t.same(reasons(), ['evidence was used before', 'evidence was used before'])
})

t.test('a name stays with its machine until an operator says otherwise', async t => {
  const { enter, reasons, joined, secretFor, join } = await createWorld(t)
  await enter('vm-1', generateKeys())
  t.ok(await enter('vm-1', generateKeys()), 'the same machine with another key')
  await t.rejects(enter('vm-1', generateKeys(), nomadEvidence('vm-1', { instance: 'another' })), refused)
  const keys = generateKeys()
  t.ok(await join({ node: 'vm-1', secret: await secretFor('vm-1'), csr: createCsr(keys) }), 'a token does')
  await joined('vm-2')
  await t.rejects(enter('vm-2', generateKeys()), refused, 'nor may evidence take the place of a token')
  t.same(reasons(), ['another machine has joined under this name', 'another machine has joined under this name'])
})

t.test('a banned node brings evidence in vain', async t => {
  const { enter, store, reasons } = await createWorld(t)
  const keys = generateKeys()
  await enter('vm-1', keys)
  const record = await store.nodes.get('vm-1')
  if (record !== undefined) await store.nodes.put({ ...record, banned: true })
  await t.rejects(enter('vm-1', keys), refused)
  t.same(reasons(), ['node is banned'])
})

t.test('of three hosts and all identities exactly the placed ones are issued', async t => {
  const world = await createWorld(t)
  const nodes = ['vm-1', 'vm-2', 'vm-3']
  const accounts = ['api', 'web', 'db', 'lonely']
  const placement: Readonly<Record<string, readonly string[]>> = {
    'vm-1': ['api', 'web'],
    'vm-2': ['web'],
    'vm-3': ['db'],
  }
  for (const node of nodes) {
    await world.enter(node, generateKeys())
    for (const account of placement[node] ?? []) world.workloads.push(workload(node, account))
  }
  // what is registered without a scheduler, and what no policy names, proves nothing
  world.workloads.push(workload('vm-3', 'api', 'consul'), workload('vm-3', 'web', 'hosts'))
  const elsewhere = { ...workload('vm-1', 'db'), namespace: 'payments' }
  world.workloads.push(elsewhere)
  for (const node of nodes) {
    for (const account of accounts) {
      const asked = world.sign(node, idOf(account))
      if (placement[node]?.includes(account)) t.ok(await asked, `${node} is ${account}`)
      else await t.rejects(asked, { code: 'WEFT_IDENTITY_NOT_PLACED' }, `${node} is not ${account}`)
    }
    await t.rejects(world.sign(node, 'spiffe://td/ns/payments/sa/db'), { code: 'WEFT_IDENTITY_NOT_PLACED' })
    for (const other of nodes.filter(one => one !== node)) {
      const identity = `spiffe://td/mesh/agent/${other}`
      await t.rejects(world.sign(node, identity), { code: 'WEFT_IDENTITY_NOT_PLACED' }, `${node} is not ${other}`)
    }
  }
})

t.test('a right ends with its placement, and with its policy', async t => {
  const { enter, sign, workloads, policies } = await createWorld(t)
  const keys = generateKeys()
  await enter('vm-1', keys)
  workloads.push(workload('vm-1', 'api'))
  t.ok(await sign('vm-1', idOf('api')))
  workloads.length = 0
  workloads.push(workload('vm-2', 'api'))
  await t.rejects(sign('vm-1', idOf('api')), { code: 'WEFT_IDENTITY_NOT_PLACED' }, 'it has moved')
  workloads.push(workload('vm-1', 'api'))
  policies.splice(0, 1, joinPolicy('others', { identities: ['default/w*'] }))
  await t.rejects(sign('vm-1', idOf('api')), { code: 'WEFT_IDENTITY_NOT_PLACED' }, 'the policy names others')
  t.ok(await sign('vm-1', 'spiffe://td/mesh/agent/vm-1', keys), 'the host itself is still let in')
  policies.length = 0
  const own = sign('vm-1', 'spiffe://td/mesh/agent/vm-1', keys)
  await t.rejects(own, { code: 'WEFT_IDENTITY_NOT_PLACED' }, 'nobody lets it in any more')
})

t.test('registrations count where a policy names their registry', async t => {
  const { enter, sign, workloads, policies } = await createWorld(t)
  await enter('vm-1', generateKeys())
  workloads.push(workload('vm-1', 'api', 'consul'))
  await t.rejects(sign('vm-1', idOf('api')), { code: 'WEFT_IDENTITY_NOT_PLACED' })
  policies.splice(0, 1, joinPolicy('vms', { placedBy: ['consul'] }))
  t.ok(await sign('vm-1', idOf('api')))
})

t.test('a policy without identities leaves them to what operators declare', async t => {
  const { enter, sign, workloads, policies } = await createWorld(t)
  await enter('vm-1', generateKeys())
  policies.splice(0, 1, joinPolicy('vms', { identities: [] }))
  workloads.push(workload('vm-1', 'api'), workload('vm-1', 'web', 'files'))
  await t.rejects(sign('vm-1', idOf('api')), { code: 'WEFT_IDENTITY_NOT_PLACED' })
  t.ok(await sign('vm-1', idOf('web')))
})

t.test('certificates live no longer than the policy that they rest on says', async t => {
  const { enter, sign, workloads, policies, clock } = await createWorld(t)
  policies.splice(0, 1, joinPolicy('vms', { ttl: '10m' }))
  const { chain } = await enter('vm-1', generateKeys())
  workloads.push(workload('vm-1', 'api'))
  for (const [leaf = ''] of [chain, await sign('vm-1', idOf('api'))]) {
    t.equal(parseCertificate(leaf).notAfter, Math.floor((clock.now() + 600_000) / 1000) * 1000)
  }
})
