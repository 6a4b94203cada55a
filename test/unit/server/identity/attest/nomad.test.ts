import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { silentLog } from '../../../../../mesh/std/log.ts'
import { parseAllocation, parseNode } from '../../../../../registry-adapters/nomad/answers.ts'
import { createKeyRing } from '../../../../../server/identity/attest/key-ring.ts'
import { createNomadAttestor, type NomadAttestorOptions } from '../../../../../server/identity/attest/nomad.ts'
import { attestorCompliance } from '../../../../compliance/attestor.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { createJwtIssuer } from '../../../../support/jwt-issuer.ts'

const fixtures = join(import.meta.dirname, '../../../../fixtures/nomad')
const recorded = (name: string) => readFileSync(join(fixtures, 'identity', name), 'utf8').trim()
const answerOf = (name: string) => JSON.parse(readFileSync(join(fixtures, name), 'utf8'))
const allocation = parseAllocation(answerOf('allocation-identity.json'))
const node = parseNode(answerOf('node-client-a.json'))
/** The moment of the recording. */
const recordedAt = 1_795_313_000_000
const audience = 'mesh.example.test'
const refused = { code: 'WEFT_EVIDENCE_REFUSED' }

/** Nomad as it was recorded, but for what is said. */
function nomadWith(more: Partial<typeof allocation> = {}, moreNode: Partial<typeof node> = {}) {
  return {
    allocation: async (id: string) => (id === allocation.id ? { ...allocation, ...more } : undefined),
    node: async (id: string) => (id === node.id ? { ...node, ...moreNode } : undefined),
  }
}

function attestorOf(jwks: () => string, options: Partial<NomadAttestorOptions> = {}, nomad = nomadWith()) {
  const keys = createKeyRing({ clock: new FakeClock(), log: silentLog, load: async () => jwks() })
  const rules = { keys, audience, maxLifeMs: 86_400_000, allowNoExpiry: false, nodeIdentities: false }
  return createNomadAttestor(nomad, { ...rules, ...options })
}

const recordedKeys = () => recorded('jwks.json')
const ask = (payload: string, now = recordedAt) =>
  [
    { kind: 'nomad', payload },
    { node: 'client-a', keyHash: 'k', now, signal: new AbortController().signal },
  ] as const

attestorCompliance(t, async () => {
  const issuer = await createJwtIssuer()
  let serial = 0
  const claims = (more: object = {}) => {
    serial += 1
    const at = recordedAt / 1000
    const of = { nomad_namespace: 'default', nomad_job_id: 'identity', nomad_task: 'app' }
    return {
      aud: audience,
      iat: at,
      exp: at + 600,
      jti: `${serial}`,
      nomad_allocation_id: allocation.id,
      ...of,
      ...more,
    }
  }
  const evidence = async (payload: string | Promise<string>) => ({ kind: 'nomad', payload: await payload }) as const
  const signed = (more: object) => () => evidence(issuer.sign(claims(more)))
  return {
    attestor: attestorOf(issuer.jwks),
    now: recordedAt,
    node: 'client-a',
    good: signed({}),
    tooLate: recordedAt + 700_000,
    bad: {
      forged: () => evidence(issuer.forge(claims())),
      'signed by nobody': () => evidence(issuer.unsigned(claims())),
      'signed by the public key': () => evidence(issuer.symmetric(claims())),
      'of an unknown key': () => evidence(issuer.sign(claims(), { kid: 'other' })),
      'of no key': async () => evidence(issuer.sign(claims(), { kid: undefined } as never)),
      'for another audience': signed({ aud: 'other.example.test' }),
      'for nomad itself': signed({ aud: 'nomadproject.io' }),
      'for several audiences': signed({ aud: [audience, 'other.example.test'] }),
      'for a longer audience': signed({ aud: `${audience}.evil.test` }),
      'without audience': signed({ aud: undefined }),
      'without expiry': signed({ exp: undefined }),
      'that lives too long': signed({ exp: recordedAt / 1000 + 90_000 }),
      'that was issued in the future': signed({ iat: recordedAt / 1000 + 300, exp: recordedAt / 1000 + 500 }),
      'not valid yet': signed({ nbf: recordedAt / 1000 + 300 }),
      'without allocation': signed({ nomad_allocation_id: undefined }),
      'of an unknown allocation': signed({ nomad_allocation_id: 'b7888cc7-3f6c-3945-f18e-000000000000' }),
      'of a job with a colon': signed({ nomad_job_id: 'identity:g' }),
      'of a job with a longer name': signed({ nomad_job_id: 'identity-evil' }),
      'of another namespace': signed({ nomad_namespace: 'payments' }),
      'of a node, which are not taken': signed({ nomad_node_id: node.id }),
      'that introduces a node': signed({ nomad_node_name: 'client-a' }),
    },
  }
})

t.test('takes a recorded identity and asks nomad where its allocation runs', async t => {
  const attested = await attestorOf(recordedKeys).attest(...ask(recorded('wi-mesh.jwt')))
  t.notOk('client' in attested.claims || 'clientPool' in attested.claims, 'it is no client')
  t.match(attested, {
    kind: 'nomad',
    grade: 4,
    node: 'client-a',
    instance: node.id,
    claims: { namespace: 'default', job: 'identity', group: 'g', task: 'app', allocation: allocation.id },
  })
})

t.test('refuses recorded tokens that are not for the mesh', async t => {
  const attestor = attestorOf(recordedKeys)
  const { JWT: introduction } = answerOf('identity/client-introduction-token.json')
  const names = [
    'wi-default.jwt',
    'wi-forever.jwt',
    'wi-multi.jwt',
    'acl-cluster-acl-app-mesh.jwt',
    'node-identity.jwt',
  ]
  for (const name of names) await t.rejects(attestor.attest(...ask(recorded(name))), refused, name)
  await t.rejects(attestor.attest(...ask(introduction)), refused)
  const nodes = attestorOf(recordedKeys, { nodeIdentities: true })
  await t.rejects(nodes.attest(...ask(introduction)), refused, 'nor when nodes are let in')
  await t.rejects(nodes.attest(...ask(recorded('wi-default.jwt'))), refused, "a workload with nomad's own audience")
})

t.test('takes the recorded identity of a node where those are let in', async t => {
  const claims = JSON.parse(Buffer.from(recorded('node-identity.jwt').split('.')[1] ?? '', 'base64url').toString())
  const known = { ...nomadWith(), node: async (id: string) => ({ ...node, id, name: 'client-x' }) }
  const attestor = attestorOf(recordedKeys, { nodeIdentities: true }, known)
  t.match(await attestor.attest(...ask(recorded('node-identity.jwt'), (claims.iat + 10) * 1000)), {
    node: 'client-x',
    instance: claims.nomad_node_id,
    claims: { client: claims.nomad_node_id, clientPool: 'default' },
  })
})

t.test('takes a token without expiry only where that is allowed, and not for ever', async t => {
  const options = { audience: 'forever.example.test', maxLifeMs: 3_600_000 }
  const token = recorded('wi-forever.jwt')
  await t.rejects(attestorOf(recordedKeys, options).attest(...ask(token)), /does not expire/)
  const attestor = attestorOf(recordedKeys, { ...options, allowNoExpiry: true })
  t.match(await attestor.attest(...ask(token)), { node: 'client-a' })
  await t.rejects(attestor.attest(...ask(token, recordedAt + 3_700_000)), /too old/)
})

t.test('asks for exactly the issuer that is set', async t => {
  const options = { issuer: 'https://nomad.example.test:4646' }
  const keys = () => recorded('acl-cluster-jwks.json')
  const token = recorded('acl-cluster-acl-app-mesh.jwt')
  const later = 1_795_314_000_000
  const asked = attestorOf(keys, options).attest(...ask(token, later))
  await t.rejects(asked, /allocation of the token is unknown/, 'the token itself is good')
  for (const issuer of ['https://nomad.example.test', 'https://nomad.example.test:4646/']) {
    await t.rejects(attestorOf(keys, { issuer }).attest(...ask(token, later)), /token is not valid/, issuer)
  }
})

t.test('refuses an allocation that does not run, and a node that is not ready', async t => {
  for (const state of [{ clientStatus: 'complete' }, { clientStatus: 'lost' }, { desiredStatus: 'stop' }]) {
    const attestor = attestorOf(recordedKeys, {}, nomadWith(state))
    await t.rejects(attestor.attest(...ask(recorded('wi-mesh.jwt'))), /allocation does not run/)
  }
  const down = attestorOf(recordedKeys, {}, nomadWith({}, { status: 'down' }))
  await t.rejects(down.attest(...ask(recorded('wi-mesh.jwt'))), /node is not ready/)
  const gone = attestorOf(recordedKeys, {}, nomadWith({ nodeId: 'other' }))
  await t.rejects(gone.attest(...ask(recorded('wi-mesh.jwt'))), /node of the token is unknown/)
})

t.test('says where the allocation runs now, whatever node asks', async t => {
  const [evidence, context] = ask(recorded('wi-mesh.jwt'))
  const attested = await attestorOf(recordedKeys).attest(evidence, { ...context, node: 'client-b' })
  t.equal(attested.node, 'client-a')
})
