import t from 'tap'
import { loadAgentSettings } from '../../../../agent/config.ts'
import { capturePlanOf } from '../../../../agent/control/capture-plan.ts'
import { aConfig, anEndpoint, aPlainEndpoint, aService, aWorkload } from '../../../support/agent-config.ts'

const settings = loadAgentSettings({ env: {}, flags: {} })
const web = 'spiffe://mesh.local/ns/default/sa/web'
const api = 'spiffe://mesh.local/ns/default/sa/api'

t.test('captures virtual ranges, mesh endpoints, and plaintext for declared ports', async t => {
  const config = aConfig({
    workloads: [aWorkload()],
    services: [
      aService({
        endpoints: [anEndpoint({ ports: { http: 8080, admin: 9000 } }), aPlainEndpoint({ address: '10.9.9.9' })],
      }),
      aService({ name: 'again', endpoints: [anEndpoint()] }),
    ],
  })
  t.same(capturePlanOf(config, new Map(), settings), {
    virtualIpRanges: ['240.240.0.0/16', 'fd77:6566:7400::/64'],
    endpoints: [
      { address: '10.77.0.2', port: 8080 },
      { address: '10.77.0.2', port: 9000 },
    ],
    defaultPort: 15001,
    callers: [],
    inbound: [{ address: '10.77.0.1', port: 9090 }],
    inboundPort: 15006,
  })
})

t.test('captures what services outside of the mesh declare, and no address of others', async t => {
  const ports = [
    { name: 'http', port: 80, protocol: 'http' },
    { name: 'tls', port: 443, protocol: 'tls' },
  ] as const
  const outside = { external: true, endpoints: [aPlainEndpoint({ address: '10.9.9.9' })], ports }
  const config = aConfig({
    services: [
      aService({ name: 'a', ...outside, addresses: ['198.51.100.7', '198.51.100.0/24', '2001:db8::/32'] }),
      aService({ name: 'b', ...outside, addresses: ['198.51.100.0/24'] }),
      aService({ name: 'c', addresses: ['10.96.0.1'], endpoints: [] }),
      aService({ name: 'd', addresses: ['10.1.0.0/16'], resolution: 'none', endpoints: [] }),
    ],
  })
  const plan = capturePlanOf(config, new Map(), settings)
  t.same(plan.endpoints, [
    { address: '198.51.100.7', port: 443 },
    { address: '198.51.100.7', port: 80 },
  ])
  t.same(plan.ranges, [
    { range: '10.1.0.0/16', port: 80 },
    { range: '198.51.100.0/24', port: 443 },
    { range: '198.51.100.0/24', port: 80 },
    { range: '2001:db8::/32', port: 443 },
    { range: '2001:db8::/32', port: 80 },
  ])
})

t.test('sends each identity’s callers to its own listener, and nobody there without one', async t => {
  const uid = (value: number) => [{ kind: 'uid' as const, uid: value }]
  const { identity: _, ...unplaced } = aWorkload({ id: 'unplaced', callers: uid(9) })
  const config = aConfig({
    workloads: [
      aWorkload({ id: 'web-1', identity: web, callers: uid(1) }),
      aWorkload({ id: 'api', identity: api, callers: uid(2) }),
      aWorkload({ id: 'web-2', identity: web, callers: [{ kind: 'cgroup', path: 'system.slice/web.service' }] }),
      aWorkload({ id: 'nobody', identity: web, callers: [] }),
      unplaced,
    ],
  })
  const ports = new Map([
    [web, 15101],
    [api, 15100],
  ])
  t.same(capturePlanOf(config, ports, settings).callers, [
    { selectors: uid(2), port: 15100 },
    { selectors: [...uid(1), { kind: 'cgroup', path: 'system.slice/web.service' }], port: 15101 },
  ])
})

t.test('redirects DNS only when told to', async t => {
  const dns = { ...settings, capture: { ...settings.capture, dns: true } }
  t.equal(capturePlanOf(aConfig(), new Map(), dns).dnsPort, 15053)
  t.notOk('dnsPort' in capturePlanOf(aConfig(), new Map(), settings))
})

t.test('is the same for the same config in another order', async t => {
  const services = [aService(), aService({ name: 'b', endpoints: [anEndpoint({ address: '10.0.0.9' })] })]
  const plan = (list: typeof services) =>
    JSON.stringify(capturePlanOf(aConfig({ services: list }), new Map(), settings))
  t.equal(plan(services), plan([...services].reverse()))
})
