import t from 'tap'
import { silentLog } from '../../../../../mesh/std/log.ts'
import { createKeyRing } from '../../../../../server/identity/attest/key-ring.ts'
import { createKubernetesAttestor, type RunningPod } from '../../../../../server/identity/attest/kubernetes.ts'
import { attestorCompliance } from '../../../../compliance/attestor.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { createJwtIssuer } from '../../../../support/jwt-issuer.ts'

const now = 1_795_313_000_000
const issuer = await createJwtIssuer()
const pod: RunningPod = { uid: 'pod-uid', node: 'worker-1', phase: 'Running', serviceAccount: 'weft-agent' }
const bound = {
  namespace: 'infra',
  pod: { name: 'weft-agent-x', uid: 'pod-uid' },
  serviceaccount: { name: 'weft-agent', uid: 'account-uid' },
  node: { name: 'worker-1', uid: 'node-uid' },
}
const claims = (more: object = {}) => ({
  iss: 'https://kubernetes.default.svc',
  aud: ['mesh'],
  sub: 'system:serviceaccount:infra:weft-agent',
  iat: now / 1000,
  exp: now / 1000 + 3600,
  'kubernetes.io': bound,
  ...more,
})

function attestorWith(found: RunningPod | undefined) {
  const keys = createKeyRing({ clock: new FakeClock(), log: silentLog, load: async () => issuer.jwks() })
  const lookUp = {
    pod: async (namespace: string, name: string) =>
      namespace === 'infra' && name === 'weft-agent-x' ? found : undefined,
  }
  const rules = { keys, audience: 'mesh', issuer: 'https://kubernetes.default.svc', maxLifeMs: 86_400_000 }
  return createKubernetesAttestor(lookUp, { ...rules, allowNoExpiry: false })
}

const signed = async (more: object = {}) => ({ kind: 'kubernetes', payload: await issuer.sign(claims(more)) }) as const
const io = (more: object) => signed({ 'kubernetes.io': { ...bound, ...more } })

attestorCompliance(t, async () => ({
  attestor: attestorWith(pod),
  now,
  node: 'worker-1',
  good: () => signed(),
  tooLate: now + 3_700_000,
  bad: {
    forged: async () => ({ kind: 'kubernetes', payload: await issuer.forge(claims()) }),
    'signed by nobody': () => ({ kind: 'kubernetes', payload: issuer.unsigned(claims()) }),
    'signed by the public key': async () => ({ kind: 'kubernetes', payload: await issuer.symmetric(claims()) }),
    'for the API server': () => signed({ aud: ['https://kubernetes.default.svc'] }),
    'for both': () => signed({ aud: ['mesh', 'https://kubernetes.default.svc'] }),
    'of another issuer': () => signed({ iss: 'https://kubernetes.default.svc.evil' }),
    'of a secret': () => signed({ 'kubernetes.io': undefined, exp: undefined }),
    'of no pod': () => io({ pod: undefined }),
    'of another pod': () => io({ pod: { name: 'other', uid: 'pod-uid' } }),
    'of an earlier pod of that name': () => io({ pod: { name: 'weft-agent-x', uid: 'earlier' } }),
    'of another account': () => io({ serviceaccount: { name: 'admin', uid: 'u' } }),
    'of another account in both places': () =>
      signed({
        sub: 'system:serviceaccount:infra:admin',
        'kubernetes.io': { ...bound, serviceaccount: { name: 'admin', uid: 'u' } },
      }),
    'of another node': () => io({ node: { name: 'worker-2', uid: 'node-uid' } }),
  },
}))

t.test('refuses a pod that does not run', async t => {
  const context = { node: 'worker-1', keyHash: 'k', now, signal: new AbortController().signal }
  for (const found of [undefined, { ...pod, phase: 'Succeeded' }, { ...pod, node: '' }]) {
    await t.rejects(attestorWith(found).attest(await signed(), context), { code: 'WEFT_EVIDENCE_REFUSED' })
  }
})

t.test('a node is known by its uid, or where the cluster does not tell, by its pod', async t => {
  const context = { node: 'worker-1', keyHash: 'k', now, signal: new AbortController().signal }
  t.equal((await attestorWith(pod).attest(await signed(), context)).instance, 'node-uid')
  t.equal((await attestorWith(pod).attest(await io({ node: undefined }), context)).instance, 'pod-uid')
})
