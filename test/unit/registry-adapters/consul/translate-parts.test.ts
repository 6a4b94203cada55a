import t from 'tap'
import { callersOf } from '../../../../registry-adapters/callers.ts'
import type { ConsulCheck } from '../../../../registry-adapters/consul/answers.ts'
import { healthOf } from '../../../../registry-adapters/consul/health.ts'
import { labelsOf } from '../../../../registry-adapters/consul/labels.ts'
import { consulCheck, consulInstance } from '../../../support/consul-instance.ts'

type Check = readonly [id: string, status: 'passing' | 'warning' | 'critical']

const checkOf = (id: string, status: Check[1], part: Partial<ConsulCheck> = {}) => consulCheck({ id, status, ...part })
const instance = (part: Parameters<typeof consulInstance>[0]) =>
  consulInstance({ weights: { passing: 10, warning: 3 }, ...part })

t.test('health and weight follow the worst check, and maintenance drains', async t => {
  const cases: [Check[], string, number][] = [
    [[], 'healthy', 10],
    [[['a', 'passing']], 'healthy', 10],
    [
      [
        ['a', 'passing'],
        ['b', 'warning'],
      ],
      'healthy',
      3,
    ],
    [
      [
        ['a', 'warning'],
        ['b', 'critical'],
      ],
      'unhealthy',
      3,
    ],
    [[['serfHealth', 'critical']], 'unhealthy', 10],
    [[['_node_maintenance', 'critical']], 'draining', 10],
    [
      [
        ['_service_maintenance:api-1', 'critical'],
        ['a', 'critical'],
      ],
      'draining',
      10,
    ],
  ]
  for (const [checks, health, weight] of cases) {
    const all = checks.map(([id, status]) => checkOf(id, status))
    const { healthReason, ...said } = healthOf(instance({ checks: all }))
    t.same(said, { health, weight }, JSON.stringify(checks))
    t.equal(healthReason === undefined, health === 'healthy' && weight === 10, 'a reason where not all is well')
  }
})

t.test('the reason of a health names the check and what it said, on one short line', async t => {
  const reason = (...checks: ConsulCheck[]) => healthOf(instance({ checks })).healthReason
  const refused = { name: 'http', output: 'connection refused' }
  t.equal(reason(checkOf('service:api', 'critical', refused)), 'check "http" is critical: connection refused')
  t.equal(reason(checkOf('disk', 'warning')), 'check "disk" is warning')
  t.equal(
    reason(checkOf('serfHealth', 'critical', { service: '', output: 'Agent not live' })),
    'check "serfHealth" of node "vm-1" is critical: Agent not live',
  )
  t.equal(
    reason(checkOf('b', 'critical'), checkOf('a', 'critical'), checkOf('0', 'warning')),
    'check "a" is critical',
    'the worst, and of several the first by id',
  )
  const maintenance = checkOf('_node_maintenance', 'critical', { notes: 'new disks', service: '' })
  t.equal(reason(maintenance, checkOf('a', 'critical')), 'maintenance mode: new disks')
  const long = reason(checkOf('a', 'critical', { output: `\u001b[31m\u0007${'x'.repeat(400)}` })) ?? ''
  t.equal(long.length, 200)
  t.notMatch(long, /\p{Cc}/u)
})

t.test('tags and meta become labels where a label can hold them', async t => {
  const labels = labelsOf(
    'api',
    instance({
      tags: ['v2', 'stage=blue', 'traefik.http.routers.x.rule=Host(`a.b`)', 'urlprefix-/x', '=x', 'weft.port=80', ''],
      meta: { version: 'v2', note: 'a sentence with spaces', '-bad': 'x', long: 'x'.repeat(64), 'weft-port': '80' },
    }),
  )
  t.same(labels, { app: 'api', 'consul.tag/stage': 'blue', 'consul.tag/v2': 'true', version: 'v2' })
  t.same(Object.keys(labels), Object.keys(labels).toSorted(), 'in one order')
  t.equal(labelsOf('api', instance({ meta: { app: 'shop' } })).app, 'shop')
})

t.test('names that JavaScript keeps for itself are labels like any other', async t => {
  const meta = JSON.parse('{"__proto__": "x", "constructor": "y"}')
  const labels = labelsOf('api', instance({ meta, tags: ['toString'] }))
  t.equal(labels.constructor, 'y')
  t.equal(Object.getPrototypeOf(labels), Object.prototype)
  t.equal(labels['consul.tag/toString'], 'true')
})

t.test('callers are uids, users, units and cgroups', async t => {
  const { callers, reasons } = callersOf({
    uid: '0, 4294967294',
    user: 'www-data',
    unit: 'api, my-api@1.service',
    cgroup: 'system.slice/x.service',
  })
  t.same(callers, [
    { kind: 'uid', uid: 0 },
    { kind: 'uid', uid: 4_294_967_294 },
    { kind: 'user', user: 'www-data' },
    { kind: 'cgroup', path: 'system.slice/api.service' },
    { kind: 'cgroup', path: 'system.slice/system-my\\x2dapi.slice/my-api@1.service' },
    { kind: 'cgroup', path: 'system.slice/x.service' },
  ])
  t.same(reasons, [])
})

t.test('what cannot be a caller selects nobody', async t => {
  const { callers, reasons } = callersOf({
    uid: '-1,4294967295,1e3',
    user: 'Root,a b',
    unit: '../x,a/b',
    cgroup: '/absolute,a/../b,a//b',
  })
  t.same(callers, [])
  t.equal(reasons.length, 10)
})
