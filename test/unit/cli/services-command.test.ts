import t from 'tap'
import type { EndpointDetail, ServiceDetail } from '../../../server/service-detail.ts'
import { runCommand } from '../../support/command-line.ts'

const hour = 3_600_000
const now = 100 * hour

const endpoint = (workload: string, more: Partial<EndpointDetail> = {}): EndpointDetail => ({
  workload,
  registry: workload.split('/')[0] ?? '',
  addresses: ['10.20.30.40:8080'],
  node: 'vm-17',
  weight: 1,
  share: 45,
  used: true,
  health: 'healthy',
  healthFrom: workload.split('/')[0] ?? '',
  since: now - 72 * hour,
  healthSince: now - 5 * hour,
  held: false,
  ...more,
})

const payments: ServiceDetail = {
  namespace: 'shop',
  name: 'payments',
  hosts: ['pay.internal.example'],
  virtualIps: ['240.240.0.7', 'fd77:6566:7400::7'],
  location: 'mesh',
  ports: [{ name: 'http', port: 80, protocol: 'http' }],
  rule: 'union',
  ruleFrom: 'ServiceMerge shop/payments',
  registries: [
    { registry: 'consul', share: 90, endpoints: 3, healthy: 1 },
    { registry: 'nomad', share: 10, endpoints: 1, healthy: 1 },
  ],
  endpoints: [
    endpoint('consul/vm-17/payments-1'),
    endpoint('consul/vm-18/payments-2', { node: 'vm-18', held: true, healthFrom: 'probe' }),
    endpoint('consul/vm-19/payments-3', {
      node: 'vm-19',
      share: 0,
      health: 'unhealthy',
      healthReason: 'check "http" is critical: connection refused',
      healthSince: now - 180_000,
    }),
    endpoint('nomad/6f7e8d9c-1b2c-3d4e-5f60-718293a4b5c6/payments', {
      share: 10,
      healthFrom: 'probe',
      since: now - 600_000,
    }),
  ],
}

t.test('one service is shown with rule, shares and endpoints, within a hundred columns', async t => {
  const { asked, printed } = await runCommand('services payments.shop', {
    '/v1/services/shop/payments': { now, services: [payments] },
  })
  t.same(asked, ['GET /v1/services/shop/payments'])
  t.equal(
    printed,
    `shop/payments  80/http  240.240.0.7 fd77:6566:7400::7
also pay.internal.example
rule union, from ServiceMerge shop/payments

REGISTRY  SHARE  HEALTHY
consul    90 %   1 of 3, 1 held
nomad     10 %   1 of 1

REGISTRY  WORKLOAD           ADDRESS           NODE   SHARE  HEALTH     TOLD BY   FOR    AGE
consul    vm-17/payments-1   10.20.30.40:8080  vm-17  45 %   healthy    registry  5 h    3 d
consul    vm-18/payments-2   10.20.30.40:8080  vm-18  45 %   healthy    probe     5 h    3 d
consul    vm-19/payments-3   10.20.30.40:8080  vm-19  0 %    unhealthy  registry  3 min  3 d
nomad     6f7e8d9c/payments  10.20.30.40:8080  vm-17  10 %   healthy    probe     5 h    10 min

! consul/vm-18/payments-2 has vanished from consul and is kept until that is confirmed
! consul/vm-19/payments-3 is unhealthy for 3 min: check "http" is critical: connection refused`,
  )
  for (const line of printed.split('\n')) t.ok(line.length <= 100, line)
})

t.test('wide shows all services in detail, and JSON carries everything', async t => {
  const answers = { '/v1/services?detail=true': { now, services: [payments, { ...payments, name: 'other' }] } }
  const { printed } = await runCommand('services -o wide', answers)
  t.match(printed, /^shop\/payments .*\n[\s\S]*\n\nshop\/other /)
  const one = await runCommand('services payments.shop -o json', {
    '/v1/services/shop/payments': { now, services: [payments] },
  })
  t.same(JSON.parse(one.printed), [payments])
  t.equal(
    (await runCommand('services -o wide', { '/v1/services?detail=true': { now, services: [] } })).printed,
    'no services',
  )
})

t.test('what is left out says so, and names cannot steer the terminal', async t => {
  const odd: ServiceDetail = {
    ...payments,
    hosts: ['a\u001b[2J'],
    registries: [
      { registry: 'consul', share: 90, endpoints: 1, healthy: 1 },
      { registry: 'nomad', share: 10, endpoints: 1, healthy: 1, disagreement: 'their ports differ' },
    ],
    endpoints: [endpoint('nomad/x', { used: false, share: 0, healthReason: 'odd\u001b[2J' })],
  }
  const { printed } = await runCommand('services payments', {
    '/v1/services/default/payments': { now, services: [odd] },
  })
  t.match(printed, /also a\?\[2J/)
  t.match(printed, /nomad +10 % +1 of 1 +not in use: their ports differ/)
  t.match(printed, /nomad +x +10\.20\.30\.40:8080 +vm-17 +unused/)
  t.match(printed, /! nomad\/x is healthy for 5 h: odd\?\[2J/)
})

t.test('the table has a line for each service', async t => {
  const services = [{ ...payments, registries: ['consul', 'nomad'], endpoints: 4, healthy: 3 }]
  const { printed, asked } = await runCommand('services', { '/v1/services': { services } })
  t.same(asked, ['GET /v1/services'])
  t.match(printed, /shop +payments +240\.240\.0\.7 +80\/http +3\/4 +mesh +consul nomad/)
})
