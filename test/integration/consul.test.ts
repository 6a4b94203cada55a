import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { createConsulAdapter } from '../../registry-adapters/consul/adapter.ts'
import type { ConsulOptions } from '../../registry-adapters/consul/options.ts'
import { testRegistryAdapter } from '../compliance/registry-adapter.ts'
import { type ConsulStart, type RunningConsul, startConsul } from '../support/consul.ts'
import { badRegistration, quickPace, realConsulCannot, registrationOf } from '../support/consul-driver.ts'
import { startGate } from '../support/gate.ts'
import { httpOnce } from '../support/http-json.ts'
import { endpointsOf, type WatchedAdapter, watchAdapter } from '../support/watch-adapter.ts'

const api = (id: string, address: string) => registrationOf({ id, service: 'api', address, port: 8080 })

t.test('the Consul adapter passes the suite on a real Consul', async t => {
  const consul = await startConsul()
  t.teardown(() => consul.stop())
  await testRegistryAdapter(t, {
    async setup() {
      const gate = await startGate(Number(new URL(consul.address).port))
      const nodes = new Set<string>()
      const register = async (registration: ReturnType<typeof registrationOf>) => {
        nodes.add(registration.Node)
        await consul.register(registration)
      }
      let stopped = false
      return {
        adapter: deps => createConsulAdapter(deps, { address: `http://127.0.0.1:${gate.port}`, pace: quickPace }),
        put: instance => register(registrationOf(instance)),
        remove: id => consul.deregister({ Node: `node-${id}` }),
        putBad: id => register(badRegistration(id)),
        // A check that passes and whose output differs moves Consul's index and nothing of ours.
        touch: () =>
          consul.register({
            Node: 'consul-server',
            Address: '127.0.0.1',
            Check: { CheckID: 'noise', Name: 'noise', Status: 'passing', Output: String(systemRandom()) },
          }),
        fail: async () => gate.shut(),
        heal: async () => gate.open(),
        async stop() {
          if (stopped) return
          stopped = true
          await gate.stop()
          for (const Node of nodes) await consul.deregister({ Node })
        },
      }
    },
    cannot: realConsulCannot,
    strict: true,
  })
})

t.test('each kind of change in Consul reaches the view', async t => {
  const consul = await start(t)
  await consul.register(api('api-1', '10.88.0.1'))
  const watched = watch(t, { address: consul.address })
  const first = await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  t.same(first.problems, [])

  await t.test('another instance of a known service', async () => {
    await consul.register({
      Node: 'node-api-2',
      Address: '10.88.0.2',
      Service: { ID: 'api-2', Service: 'api', Port: 8080 },
    })
    const grown = await watched.view(view => endpointsOf(view, 'api')?.length === 2)
    t.same(endpointsOf(grown, 'api'), ['10.88.0.1:8080', '10.88.0.2:8080'], 'without an address it has its node’s')
  })

  await t.test('the address of a node', async () => {
    await consul.register({ Node: 'node-api-2', Address: '10.88.0.3' })
    await watched.view(view => endpointsOf(view, 'api')?.includes('10.88.0.3:8080') === true)
  })

  await t.test('meta of an instance', async () => {
    const service = { ID: 'api-1', Service: 'api', Address: '10.88.0.1', Port: 8080 }
    await consul.register({ ...api('api-1', ''), Service: { ...service, Meta: { 'weft-service-account': 'api' } } })
    await watched.view(view => view.workloads.values().some(workload => workload.serviceAccount === 'api'))
  })

  await t.test('a check that becomes critical, warns, and passes again', async () => {
    const check = { CheckID: 'service:api-1', Name: 'api-1', ServiceID: 'api-1' }
    const health = (view: Parameters<typeof endpointsOf>[0]) =>
      view.workloads.values().find(workload => workload.id.endsWith('/api-1'))?.health
    for (const [Status, expected] of [
      ['critical', 'unhealthy'],
      ['warning', 'healthy'],
      ['critical', 'unhealthy'],
      ['passing', 'healthy'],
    ]) {
      await consul.register({ Node: 'node-api-1', Address: '10.99.0.1', Check: { ...check, Status } })
      await watched.view(view => health(view) === expected)
    }
  })

  await t.test('a node whose agent is lost', async () => {
    const check = { CheckID: 'serfHealth', Name: 'Serf', Status: 'critical' }
    await consul.register({ Node: 'node-api-2', Address: '10.88.0.3', Check: check })
    await watched.view(view =>
      view.workloads.values().some(({ id, health }) => id.endsWith('/api-2') && health === 'unhealthy'),
    )
  })

  await t.test('maintenance mode, through an agent', async () => {
    await consul.api('PUT', '/agent/service/register', { ID: 'job-1', Name: 'job', Address: '10.88.0.9', Port: 7000 })
    await consul.api('PUT', '/agent/service/maintenance/job-1?enable=true')
    await watched.view(view =>
      view.workloads.values().some(({ name, health }) => name === 'job' && health === 'draining'),
    )
    await consul.api('PUT', '/agent/service/maintenance/job-1?enable=false')
    await watched.view(view =>
      view.workloads.values().some(({ name, health }) => name === 'job' && health === 'healthy'),
    )
  })

  await t.test('the last instance of a service', async () => {
    await consul.deregister({ Node: 'node-api-1' })
    await consul.deregister({ Node: 'node-api-2' })
    await watched.view(view => endpointsOf(view, 'api') === undefined)
  })

  t.ok(
    watched.health.every(({ kind }) => kind === 'fresh'),
    'none of this looked like a failure',
  )
})

t.test('a Consul that is killed keeps its last view, and is fresh when it is back', async t => {
  const consul = await start(t, { persistent: true })
  await consul.register(api('api-1', '10.88.0.1'))
  const watched = watch(t, { address: consul.address, stale: true })
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  await watched.stands('fresh')
  await consul.kill()
  await watched.stands('failing')
  await consul.restart()
  await watched.stands('fresh')
  await consul.register(api('api-2', '10.88.0.2'))
  await watched.view(view => endpointsOf(view, 'api')?.length === 2)
  t.notOk(
    watched.views.some(view => endpointsOf(view, 'api') === undefined),
    'it never looked empty',
  )
})

t.test('a Consul that comes back without its memory is believed, as its index says', async t => {
  const consul = await start(t)
  for (let port = 1; port <= 20; port += 1)
    await consul.register({
      ...api('api-1', '10.88.0.1'),
      Check: { CheckID: `c${port}`, Name: 'c', Status: 'passing' },
    })
  const watched = watch(t, { address: consul.address })
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  await consul.kill()
  await watched.stands('failing')
  await consul.restart()
  await consul.register({ ...api('web-1', '10.88.0.2'), Service: { ID: 'web-1', Service: 'web', Port: 80 } })
  const view = await watched.view(view => endpointsOf(view, 'web')?.length === 1)
  t.equal(endpointsOf(view, 'api'), undefined)
  await watched.stands('fresh')
})

const master = 'b1gs33cr-0000-4000-8000-000000000001'
const acl = { enabled: true, default_policy: 'deny', tokens: { master, agent: master } }
const readAll = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'

t.test('with ACLs', async t => {
  const consul = await start(t, { config: { acl, primary_datacenter: 'dc1' }, token: master })
  await consul.register(api('api-1', '10.88.0.1'))

  const setUp = async (t: Test, name: string, rules: string) => {
    await consul.api('PUT', '/acl/policy', { Name: name, Rules: rules })
    const made = await consul.api('PUT', '/acl/token', { Policies: [{ Name: name }] })
    const { AccessorID: accessor, SecretID: token } = made as { AccessorID: string; SecretID: string }
    const watched = watch(t, { address: consul.address, token })
    return { watched, accessor, token }
  }

  /** Replaces the rules of a policy, as an operator would. */
  const changeRules = async (name: string, rules: string) => {
    const policies = (await consul.api('GET', '/acl/policies')) as { ID: string; Name: string }[]
    const { ID } = policies.find(policy => policy.Name === name) ?? { ID: '' }
    await consul.api('PUT', `/acl/policy/${ID}`, { ID, Name: name, Rules: rules })
  }

  const loses = async (t: Test, watched: WatchedAdapter, lose: () => Promise<unknown>, reason: RegExp) => {
    await watched.view(view => endpointsOf(view, 'api')?.length === 1)
    await watched.stands('fresh')
    const before = watched.views.length
    await lose()
    await watched.stands('failing', reason)
    t.equal(watched.views.length, before, 'the last view stays')
  }

  await t.test('a token that is deleted', async t => {
    const { watched, accessor, token } = await setUp(t, 'deleted', readAll)
    await loses(
      t,
      watched,
      () => consul.api('DELETE', `/acl/token/${accessor}`),
      /refuses the token.*403.*ACL not found/,
    )
    t.notOk(JSON.stringify(watched.health).includes(token), 'the token itself is not told')
  })

  await t.test('a token that may no longer read services', async t => {
    const { watched } = await setUp(t, 'no-services', readAll)
    await loses(t, watched, () => changeRules('no-services', 'node_prefix "" { policy = "read" }'), /own service/)
    await changeRules('no-services', readAll)
    await watched.stands('fresh')
  })

  await t.test('a token that may no longer read nodes', async t => {
    const { watched } = await setUp(t, 'no-nodes', readAll)
    await loses(
      t,
      watched,
      () => changeRules('no-nodes', 'service_prefix "" { policy = "read" }'),
      /own service has no instance/,
    )
    await changeRules('no-nodes', readAll)
    await watched.stands('fresh')
  })

  await t.test('no token at all', async t => {
    const watched = watch(t, { address: consul.address })
    await watched.stands('failing', /own service is missing|no node/)
    t.same(watched.views, [])
  })

  await t.test('a token file that is replaced', async t => {
    const directory = temporaryDirectory(t)
    const tokenFile = join(directory, 'token')
    writeFileSync(tokenFile, 'not-a-token-at-all\n')
    const watched = watch(t, { address: consul.address, tokenFile })
    await watched.stands('failing', /refuses the token/)
    writeFileSync(tokenFile, `${master}\n`)
    await watched.view(view => endpointsOf(view, 'api')?.length === 1)
    await watched.stands('fresh')
  })
})

t.test('over TLS, with a certificate on both sides', async t => {
  const directory = temporaryDirectory(t)
  const [ca, cert, key] = makeCertificates(directory)
  const tls = { ca_file: ca, cert_file: cert, key_file: key, verify_incoming_https: true }
  const consul = await start(t, { config: tls })
  await consul.register(api('api-1', '10.88.0.1'))
  const { httpsAddress: address } = consul
  const good = watch(t, { address, tls: { ca, cert, key } })
  await good.view(view => endpointsOf(view, 'api')?.length === 1)
  const untrusted = watch(t, { address, tls: { cert, key } })
  await untrusted.stands('failing', /self-signed|unable to verify|unable to get/)
  const uncertified = watch(t, { address, tls: { ca } })
  await uncertified.stands('failing', /certificate/)
})

t.test('another datacentre than the one named', async t => {
  const consul = await start(t)
  const watched = watch(t, { address: consul.address, datacenter: 'nowhere' })
  await watched.stands('failing', /No path to datacenter/)
})

t.test('Consul takes settings as tags with dots and as meta with dashes, and refuses dots in meta', async t => {
  const consul = await start(t)
  const service = (Meta: object) => ({ ID: 'api-1', Name: 'api', Address: '10.88.0.1', Port: 8080, Meta })
  const refused = await httpOnce(
    'PUT',
    `${consul.address}/v1/agent/service/register`,
    service({ 'weft.protocol': 'http' }),
  )
  t.equal(refused.status, 400)
  await consul.api('PUT', '/agent/service/register', {
    ...service({ 'weft-protocol': 'http' }),
    Tags: ['weft.service-account=api'],
  })
  const watched = watch(t, { address: consul.address })
  const view = await watched.view(({ services }) =>
    services.values().some(({ ports }) => ports[0]?.protocol === 'http'),
  )
  t.equal(view.workloads.values().toArray()[0]?.serviceAccount, 'api')
})

async function start(t: Test, options: ConsulStart = {}): Promise<RunningConsul> {
  const consul = await startConsul(options)
  t.teardown(() => consul.stop())
  return consul
}

function watch(t: Test, options: ConsulOptions): WatchedAdapter {
  const deps = { name: 'consul', clock: systemClock, random: systemRandom, log: silentLog }
  return watchAdapter(t, report => createConsulAdapter({ ...deps, report }, { pace: quickPace, ...options }))
}

function temporaryDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'weft-consul-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** An authority and one certificate for 127.0.0.1, good for server and client. */
function makeCertificates(directory: string): [string, string, string] {
  const file = (name: string) => join(directory, name)
  const openssl = (command: string) => execFileSync('openssl', command.split(' '), { stdio: 'pipe' })
  const newKey = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
  openssl(`req -x509 ${newKey} -keyout ${file('ca.key')} -out ${file('ca.pem')} -days 2 -subj /CN=test-authority`)
  openssl(`req ${newKey} -keyout ${file('key.pem')} -out ${file('csr.pem')} -subj /CN=consul`)
  writeFileSync(file('ext'), 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n')
  openssl(
    `x509 -req -in ${file('csr.pem')} -CA ${file('ca.pem')} -CAkey ${file('ca.key')} -CAcreateserial -days 2 -extfile ${file('ext')} -out ${file('cert.pem')}`,
  )
  return [file('ca.pem'), file('cert.pem'), file('key.pem')]
}
