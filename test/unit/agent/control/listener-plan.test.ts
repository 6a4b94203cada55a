import t from 'tap'
import { listenerIdentity, listenersOf, refusedListeners } from '../../../../agent/control/listener-plan.ts'
import { aConfig, aWorkload } from '../../../support/agent-config.ts'

const ports = {
  outbound: 15001,
  inbound: 15006,
  hbone: 15008,
  metrics: 15020,
  readiness: 15021,
  dns: 15053,
  workloadBase: 15100,
}
const web = 'spiffe://mesh.local/ns/default/sa/web'
const config = aConfig({ workloads: [aWorkload({ callers: [{ kind: 'uid', uid: 1000 }] })] })

t.test('opens outbound on loopback only and the rest everywhere, for both families', async t => {
  const plan = listenersOf(config, new Map([[web, 15100]]), ports, { any: true, loopback: true })
  t.same(
    plan.map(({ name, host, port }) => `${name} ${host} ${port}`),
    [
      'outbound-default/ipv4 127.0.0.1 15001',
      'outbound-default/ipv6 ::1 15001',
      `outbound/${web}/ipv4 127.0.0.1 15100`,
      `outbound/${web}/ipv6 ::1 15100`,
      'inbound-plaintext/ipv4 0.0.0.0 15006',
      'inbound-plaintext/ipv6 :: 15006',
      'hbone/ipv4 0.0.0.0 15008',
      'hbone/ipv6 :: 15008',
    ],
  )
  t.same(plan[2]?.role, { kind: 'outbound', identity: web, workload: 'static/web-1' })
  t.same(plan[0]?.role, { kind: 'outbound' })
})

t.test('leaves IPv6 out where the host has none', async t => {
  t.same(
    listenersOf(config, new Map(), ports, { any: false, loopback: false }).map(one => one.name),
    ['outbound-default/ipv4', 'inbound-plaintext/ipv4', 'hbone/ipv4'],
  )
  const hosts = listenersOf(config, new Map(), ports, { any: true, loopback: false }).map(one => one.host)
  t.same(hosts, ['127.0.0.1', '0.0.0.0', '::', '0.0.0.0', '::'])
})

t.test(
  'opens the listeners of Sidecars of workloads that have callers, each once, and none on ports of the agent',
  async t => {
    const egress = [
      { port: { number: 9080 }, hosts: ['./*'], captureMode: 'NONE' },
      { port: { number: 9081 }, hosts: ['./*'], captureMode: 'NONE', bind: '::1' },
      { port: { number: 15008 }, hosts: ['./*'], captureMode: 'NONE', bind: '127.0.0.2' },
      { port: { number: 15105 }, hosts: ['./*'], captureMode: 'NONE' },
      { port: { number: 80 }, hosts: ['./*'] },
    ] as const
    const sidecars = [{ namespace: 'default', name: 's', createdAt: 0, spec: { egress } }]
    const callers = [{ kind: 'uid', uid: 1000 }] as const
    const workloads = [aWorkload({ callers }), aWorkload({ id: 'static/web-2', callers: [{ kind: 'uid', uid: 1001 }] })]
    const withSidecar = { ...config, workloads, traffic: { ...config.traffic, sidecars } }
    const egressOf = (config: typeof withSidecar) =>
      listenersOf(config, new Map([[web, 15100]]), ports, { any: true, loopback: true }).filter(
        ({ role }) => role.kind === 'egress',
      )
    t.same(egressOf(withSidecar), [
      { name: 'egress/127.0.0.1:9080', role: { kind: 'egress' }, host: '127.0.0.1', port: 9080 },
      { name: 'egress/[::1]:9081', role: { kind: 'egress' }, host: '::1', port: 9081 },
    ])
    t.same(refusedListeners(withSidecar, ports), [
      { name: 'egress/127.0.0.2:15008', error: "port 15008 is the agent's own" },
      { name: 'egress/127.0.0.1:15105', error: "port 15105 is the agent's own" },
    ])
    t.same(egressOf({ ...withSidecar, workloads: [aWorkload()] }), [], 'nobody could call')
    t.equal(listenerIdentity('egress/127.0.0.1:9080'), undefined)
  },
)

t.test('tells whose listener a name is', async t => {
  t.equal(listenerIdentity(`outbound/${web}/ipv6`), web)
  t.equal(listenerIdentity('outbound-default/ipv4'), undefined)
  t.equal(listenerIdentity('hbone/ipv4'), undefined)
})
