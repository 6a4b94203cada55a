import t from 'tap'
import { probeDefaults } from '../../../mesh/model/probe.ts'
import { probeOf } from '../../../registry-adapters/health-setting.ts'

t.test('an instance asks for a check by a URL, at its own address where that names none', async t => {
  const checks = [
    ['http://:8080/healthz', { kind: 'http', scheme: 'http', port: 8080, path: '/healthz', headers: [] }],
    ['https://10.0.0.7:8443/', { kind: 'http', scheme: 'https', host: '10.0.0.7', port: 8443, path: '/', headers: [] }],
    ['tcp://:5432', { kind: 'tcp', port: 5432 }],
    ['grpc://:9090/shop.Cart', { kind: 'grpc', port: 9090, service: 'shop.Cart' }],
  ] as const
  for (const [health, check] of checks) {
    t.match(probeOf({ health }), { probe: { ...probeDefaults, check }, reasons: [] }, health)
  }
  t.same(probeOf({}), { reasons: [] })
})

t.test('nobody gets a command or a unit run by writing into a registry', async t => {
  for (const health of ['exec:///bin/sh', 'unit://ssh.service', 'exec', 'http://', 'tcp://:0', 'tcp://:70000', '']) {
    const { probe, reasons } = probeOf({ health })
    t.equal(probe, undefined, health)
    t.match(reasons, [/^weft-health ".*" is no check/], health)
  }
})
