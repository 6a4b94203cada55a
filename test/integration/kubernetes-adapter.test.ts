import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { createKubernetesAdapter } from '../../registry-adapters/kubernetes/adapter.ts'
import { testRegistryAdapter } from '../compliance/registry-adapter.ts'
import { FakeKubernetes } from '../fakes/kubernetes.ts'
import { startCluster } from '../fakes/kubernetes-cluster.ts'
import {
  endpointOf,
  podObject,
  quickPace,
  serviceObject,
  sliceObject,
  writeKubeconfig,
} from '../fakes/kubernetes-objects.ts'
import { makeCertificates, type TestCertificates } from '../fakes/kubernetes-tls.ts'
import { failed, webHas } from '../fakes/kubernetes-world.ts'
import { until } from '../support/eventually.ts'
import { startTestServer, testServerConfig } from '../support/server.ts'
import { type WatchedAdapter, watchAdapter } from '../support/watch-adapter.ts'

const folder = t.testdir()
const certificates = makeCertificates(folder)
const base64 = (text: string) => Buffer.from(text).toString('base64')
const authority = { 'certificate-authority-data': base64(certificates.ca) }
const serverTls = { cert: certificates.cert, key: certificates.key }
const mutualTls = { ...serverTls, ca: certificates.ca, requestCert: true, rejectUnauthorized: true }

async function start(t: Test, tls: object, user: object, cluster: object = authority) {
  const fake = await FakeKubernetes.start(tls)
  const kubeconfig = await writeKubeconfig(fake.address, user, cluster)
  t.teardown(async () => {
    await fake.stop()
    await kubeconfig.remove()
  })
  fake.put(serviceObject('web'), podObject('web-a', ['10.0.0.1']))
  fake.put(sliceObject('web-1', 'web', [endpointOf('10.0.0.1', 'web-a')]))
  const watch = (): WatchedAdapter =>
    watchAdapter(t, report =>
      createKubernetesAdapter(
        { name: 'k8s', clock: systemClock, random: systemRandom, log: silentLog, report },
        { kubeconfig: kubeconfig.file, allowExec: true, pace: { ...quickPace, credentialsMs: 3_600_000 } },
      ),
    )
  return { fake, kubeconfig, watch }
}

t.test('the Kubernetes adapter passes the suite over TLS with a client certificate', t =>
  testRegistryAdapter(t, {
    strict: true,
    setup: () =>
      startCluster(
        {},
        {
          tls: mutualTls,
          user: {
            'client-certificate-data': base64(certificates.cert),
            'client-key-data': base64(certificates.key),
          },
          cluster: authority,
        },
      ),
  }),
)

t.test('a token that is replaced in its file is taken after it has been refused', async t => {
  const { fake, kubeconfig, watch } = await start(t, serverTls, { tokenFile: 'token' })
  const token = join(kubeconfig.folder, 'token')
  await writeFile(token, 'first')
  fake.token = 'first'
  const watched = watch()
  await watched.view(webHas(1))
  await watched.stands('fresh')
  fake.token = 'second'
  fake.cut()
  await watched.stands('failing', /does not accept the credentials.*401/)
  for (const said of watched.health) t.notMatch(JSON.stringify(said), /first/)
  await writeFile(`${token}.new`, 'second')
  await rename(`${token}.new`, token)
  await watched.stands('fresh')
  t.equal(watched.views.length, 1)
})

t.test('a command is asked again when what it gave has been refused', async t => {
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: './login' }
  const { fake, kubeconfig, watch } = await start(t, serverTls, { exec })
  const token = join(kubeconfig.folder, 'token')
  const script = `#!/bin/sh\nprintf '{"kind":"ExecCredential","status":{"token":"%s"}}' "$(cat ${token})"\n`
  await writeFile(join(kubeconfig.folder, 'login'), script, { mode: 0o700 })
  await writeFile(token, 'first')
  fake.token = 'first'
  const watched = watch()
  await watched.view(webHas(1))
  await writeFile(token, 'second')
  fake.token = 'second'
  fake.cut()
  await failed(watched, 0, /does not accept the credentials.*401/)
  await watched.stands('fresh')
})

t.test('an API server of another authority is not spoken to, until the kubeconfig knows it', async t => {
  const others: TestCertificates = makeCertificates(t.testdir())
  const wrong = { 'certificate-authority-data': base64(others.ca) }
  const { fake, kubeconfig, watch } = await start(t, serverTls, { token: 'secret' }, wrong)
  const watched = watch()
  await watched.stands('failing', /certificate|unable to verify/)
  t.equal(fake.requests.length, 0)
  const right = await writeKubeconfig(fake.address, { token: 'secret' }, authority)
  t.teardown(right.remove)
  await rename(right.file, kubeconfig.file)
  await watched.view(webHas(1))
  await watched.stands('fresh')
})

t.test('without the client certificate that the API server wants there is no view', async t => {
  const { watch } = await start(t, mutualTls, { token: 'secret' })
  const watched = watch()
  await watched.stands('failing', /cannot be read/)
  t.same(watched.views, [])
})

t.test('an API server that is away from the start is found when it comes', async t => {
  const { fake, kubeconfig, watch } = await start(t, serverTls, { token: 'secret' })
  const away = await writeKubeconfig('https://127.0.0.1:9', { token: 'secret' }, authority)
  const here = `${kubeconfig.file}.here`
  await rename(kubeconfig.file, here)
  await rename(away.file, kubeconfig.file)
  t.teardown(away.remove)
  const watched = watch()
  await failed(watched, 0, /ECONNREFUSED/)
  t.equal(fake.requests.length, 0)
  await rename(here, kubeconfig.file)
  await watched.view(webHas(1))
  await watched.stands('fresh')
})

t.test('a server follows the cluster of its configuration, and shows it', async t => {
  const { kubeconfig, fake } = await start(t, serverTls, { token: 'secret' })
  const registry = { name: 'blue', kind: 'kubernetes', kubeconfig: kubeconfig.file, clusterName: 'blue' }
  const { running, api } = await startTestServer(testServerConfig(t.testdir(), [registry]))
  t.teardown(() => running.stop())
  await until('the cluster is read', async () => JSON.stringify(await api.get('/v1/status')).includes('"blue"'))
  const shown = async () => JSON.stringify(await api.get('/v1/services'))
  await until('its service is there', async () => (await shown()).includes('"web"'))
  t.match(JSON.stringify(await api.get('/v1/services/default/web')), /10\.0\.0\.1/)
  fake.remove('Service', 'default/web')
  await until('its service is gone', async () => !(await shown()).includes('"web"'))
})
