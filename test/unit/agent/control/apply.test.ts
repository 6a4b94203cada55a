import t from 'tap'
import { createApplier } from '../../../../agent/control/apply.ts'
import type { TrustBundle } from '../../../../mesh/identity/trust-bundle.ts'
import type { AgentConfig } from '../../../../mesh/model/agent-config.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import { aConfig, aPlainEndpoint, aService } from '../../../support/agent-config.ts'
import { recordedLog } from '../../../support/recorded-log.ts'

/** An applier whose DNS says one address, and what it did in order. */
function start(rejects: (config: AgentConfig) => readonly string[] = () => []) {
  const done: string[] = []
  const log = recordedLog()
  const dns = { address: '10.0.0.1', gate: Promise.resolve() }
  const inUse = new Watch<AgentConfig | undefined>(undefined)
  const applier = createApplier({
    log,
    inUse,
    trust: new Watch<TrustBundle>({ trustDomain: 'mesh.local', sequence: 1, roots: [] }),
    certificates: { want: () => void done.push('want') },
    listeners: {
      async open() {
        done.push('open')
      },
      ports: () => new Map(),
    },
    endpoints: {
      async fill(config) {
        await dns.gate
        const endpoints = [aPlainEndpoint({ address: dns.address })]
        return { ...config, services: config.services.map(service => ({ ...service, endpoints })) }
      },
    },
    dataPlane: {
      async apply(config) {
        const service = config.services[0]
        done.push(`apply ${service?.name} ${service?.endpoints[0]?.address}`)
        return rejects(config).map(name => ({ name, reason: 'refused' }))
      },
    },
    followers: [
      {
        async follow() {
          done.push('follow')
        },
      },
    ],
  })
  return { applier, inUse, done, dns, log }
}

const config = (name: string) => aConfig({ services: [aService({ name })] })

t.test('data threads get endpoints that DNS knows with the config, and alone when they change', async t => {
  const { applier, inUse, done, dns } = start()
  await applier.refresh()
  t.same(done, [], 'there is nothing to refresh yet')
  await applier.apply(config('api'))
  t.same(done, ['want', 'apply api 10.0.0.1', 'open', 'follow'])
  dns.address = '10.0.0.2'
  done.length = 0
  await applier.refresh()
  t.same(done, ['apply api 10.0.0.2'])
  t.equal(inUse.value?.services[0]?.endpoints[0]?.address, '10.0.0.2')
})

t.test('a refresh and a new config never overtake one another', async t => {
  const { applier, done, dns } = start()
  await applier.apply(config('old'))
  done.length = 0
  const gate = Promise.withResolvers<void>()
  dns.gate = gate.promise
  const both = [applier.refresh(), applier.apply(config('new')), applier.refresh()]
  gate.resolve()
  await Promise.all(both)
  t.same(
    done.filter(what => what.startsWith('apply')),
    ['apply old 10.0.0.1', 'apply new 10.0.0.1', 'apply new 10.0.0.1'],
  )
})

t.test('what data threads refuse of a refresh is logged, and the next config is applied all the same', async t => {
  const { applier, done, log } = start(({ services }) => (services[0]?.name === 'bad' ? ['service/default/bad'] : []))
  t.same(await applier.apply(config('bad')), [{ name: 'service/default/bad', reason: 'refused' }])
  await applier.refresh()
  t.match(log.lines, [{ level: 'warn', fields: { rejected: [{ name: 'service/default/bad' }] } }])
  t.same(await applier.apply(config('good')), [])
  t.ok(done.includes('apply good 10.0.0.1'))
})
