import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock, systemRandom } from '../../../mesh/std/clock.ts'
import { silentLog } from '../../../mesh/std/log.ts'
import { loadServerConfig } from '../../../server/config.ts'
import { startRegistries } from '../../../server/registries.ts'
import { openResources } from '../../../server/resources.ts'
import { openSqliteStore } from '../../../server/store/sqlite.ts'
import { eventually } from '../../support/eventually.ts'

const entry = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: partner, namespace: default }
spec:
  hosts: [partner.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{ number: 443, name: tls, protocol: TLS }]
  endpoints: [{ address: 198.51.100.7 }]
`

async function start(t: Test, registries: readonly object[], dataDir = t.testdir()) {
  const store = openSqliteStore(':memory:', { log: silentLog })
  const deps = { clock: systemClock, random: systemRandom, log: silentLog }
  const resources = await openResources(store.resources, {
    ...deps,
    rootNamespace: 'weft-system',
    registries: [],
    workloads: () => [],
  })
  const config = loadServerConfig({
    env: { WEFT_SERVER_REGISTRIES: JSON.stringify(registries) },
    flags: { 'data-dir': dataDir },
  })
  t.teardown(() => store.close())
  t.teardown(() => resources.stop())
  const started = await startRegistries({ ...deps, resources }, config)
  t.teardown(() => started.stop())
  return { registries: started, resources, dataDir }
}

t.test('what operators apply is a registry of its own, before all others', async t => {
  const { registries, resources } = await start(t, [])
  t.same(
    registries.views.map(view => view.name),
    ['resources'],
  )
  await resources.apply(entry, 'entry.yaml', { dryRun: false })
  await eventually(() => assert.equal(registries.views[0]?.snapshot.value?.services.size, 1))
  t.match(registries.views[0]?.snapshot.value?.services.get('default/partner'), {
    name: 'partner',
    location: 'external',
    hosts: ['partner.example.com'],
  })
})

t.test('operators may delete everything at once', async t => {
  const { registries, resources } = await start(t, [])
  const many = Array.from({ length: 10 }, (_, index) => entry.replaceAll('partner', `partner-${index}`)).join('---')
  await resources.apply(many, 'entries.yaml', { dryRun: false })
  await eventually(() => assert.equal(registries.status()[0]?.services, 10))
  for (let index = 0; index < 10; index += 1) await resources.remove('ServiceEntry', 'default', `partner-${index}`)
  await eventually(() => assert.equal(registries.status()[0]?.services, 0))
  t.equal(registries.status()[0]?.held, undefined)
})

t.test('the view of a configured registry is kept for the next start', async t => {
  const directory = t.testdir({ 'partner.yaml': entry })
  const dataDir = join(directory, 'data')
  const { registries } = await start(t, [{ name: 'files', kind: 'static', directory }], dataDir)
  await eventually(() => assert.equal(registries.status()[1]?.services, 1))
  await registries.stop()
  t.same(readdirSync(join(dataDir, 'views')), ['files'])

  const gone = [{ name: 'files', kind: 'static', directory: '/nonexistent' }]
  const again = await start(t, gone, dataDir)
  await eventually(() => assert.equal(again.registries.status()[1]?.services, 1))
  t.match(again.registries.status()[1], { name: 'files', kind: 'static', state: 'stale' })
})

t.test('a registry that cannot work keeps the server from starting', async t => {
  const wrong = [{ name: 'dc1', kind: 'consul', address: 'ftp://x' }]
  await t.rejects(start(t, wrong), { code: 'WEFT_CONFIG_INVALID', message: /address of consul/ })
})

t.test('a registry that nobody has cannot be confirmed', async t => {
  const { registries } = await start(t, [])
  t.throws(() => registries.confirm('nomad'), { code: 'WEFT_NOT_FOUND' })
  t.equal(registries.confirm('resources'), false)
})
