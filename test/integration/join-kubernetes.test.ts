import t from 'tap'
import { systemClock } from '../../mesh/std/clock.ts'
import { createKubernetesLookUp } from '../../server/identity/attest/kubernetes-look-up.ts'
import { FakeKubernetes } from '../fakes/kubernetes.ts'
import { podObject, writeKubeconfig } from '../fakes/kubernetes-objects.ts'
import { makeCertificates } from '../fakes/kubernetes-tls.ts'

t.test('an API server is asked for one pod, as it is now', async t => {
  const certificates = makeCertificates(t.testdir())
  const fake = await FakeKubernetes.start({ cert: certificates.cert, key: certificates.key })
  const authority = { 'certificate-authority-data': Buffer.from(certificates.ca).toString('base64') }
  const kubeconfig = await writeKubeconfig(fake.address, { token: 'secret' }, authority)
  const lookUp = createKubernetesLookUp({ kubeconfig: kubeconfig.file }, { clock: systemClock })
  t.teardown(async () => {
    lookUp.close()
    await fake.stop()
    await kubeconfig.remove()
  })
  fake.put(podObject('agent-a', ['10.0.0.1']), podObject('agent-ab', ['10.0.0.2']))
  const { signal } = new AbortController()
  const found = await lookUp.pod('default', 'agent-a', signal)
  t.match(found, { uid: /./, node: String, phase: 'Running', serviceAccount: String })
  t.equal(await lookUp.pod('default', 'agent', signal), undefined)
  t.equal(await lookUp.pod('other', 'agent-a', signal), undefined)
  const reason = new Error('nobody waits')
  await t.rejects(lookUp.pod('default', 'agent-a', AbortSignal.abort(reason)), reason)
  await fake.stop()
  await t.rejects(lookUp.pod('default', 'agent-a', signal), { code: 'WEFT_REGISTRY_UNAVAILABLE' })
})
