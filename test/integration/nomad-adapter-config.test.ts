import t from 'tap'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { adapterOf } from '../../server/adapters.ts'
import { loadServerConfig } from '../../server/config.ts'
import { FakeNomad } from '../fakes/nomad.ts'
import { runJob } from '../support/nomad-driver.ts'
import { watchAdapter } from '../support/watch-adapter.ts'

const deps = { name: 'nomad', clock: systemClock, random: systemRandom, log: silentLog }

t.test('a registry of kind nomad is made of the configuration, with token, region and namespaces', async t => {
  const fake = await FakeNomad.start()
  t.teardown(() => fake.stop())
  fake.cluster.addNode({ name: 'client-a', address: '10.77.1.10' })
  runJob(fake, 'api')
  const tokenFile = `${t.testdir({ token: 's3cret\n' })}/token`
  const make = await adapterFor({
    address: fake.address,
    tokenFile,
    region: 'eu',
    namespaces: ['default=shop'],
    serviceAccounts: 'job',
  })
  const watched = watchAdapter(t, report => make({ ...deps, report }))
  const view = await watched.view(() => true)
  t.same([...view.services.keys()], ['shop/api'])
  t.match([...view.workloads.values()], [{ namespace: 'shop', serviceAccount: 'api', node: 'client-a' }])
  t.ok(fake.requests.every(({ token, query }) => token === 's3cret' && query.get('region') === 'eu'))
})

t.test('options that cannot work keep the server from starting', async t => {
  const wrong = [{ address: 'nomad' }, { serviceAccounts: 'x' }, { namespaces: ['a=b=c'] }, { certFile: '/c' }]
  for (const options of wrong) {
    const make = await adapterFor({ address: 'http://127.0.0.1:4646', ...options })
    t.throws(() => make({ ...deps, report() {} }), { code: 'WEFT_CONFIG_INVALID' })
  }
})

t.test('an address is required, and what no option is called is refused', t => {
  t.throws(() => configOf({}), /needs address/)
  t.throws(() => configOf({ address: 'http://x:4646', tokenfile: '/t' }), /tokenfile/)
  t.end()
})

function configOf(options: object) {
  const registries = JSON.stringify([{ name: 'nomad', kind: 'nomad', ...options }])
  return loadServerConfig({ env: { WEFT_SERVER_REGISTRIES: registries }, flags: {} })
}

async function adapterFor(options: object) {
  const [registry] = configOf(options).registries
  if (registry === undefined) throw new Error('no registry')
  return adapterOf(registry, systemClock)
}
