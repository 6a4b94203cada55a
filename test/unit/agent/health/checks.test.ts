import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { describeCheck } from '../../../../agent/health/check.ts'
import { createChecks } from '../../../../agent/health/checks.ts'
import type { ProbeCheck } from '../../../../mesh/model/probe.ts'

const http = { kind: 'http', scheme: 'http', port: 8080, path: '/healthz', headers: [] } as const

t.test('commands run only where the host allows them, and the reason names the setting', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-checks-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'touched')
  const check: ProbeCheck = { kind: 'exec', command: ['touch', file] }
  const signal = AbortSignal.timeout(20_000)
  t.match(await createChecks({ exec: false })(check, '', signal), { healthy: false, reason: /health\.exec/ })
  t.notOk(existsSync(file))
  t.match(await createChecks({ exec: true })(check, '', signal), { healthy: true })
  t.ok(existsSync(file))
})

t.test('every kind of check is run by its own means', async t => {
  const server = createServer(socket => socket.on('error', () => {}).end('no HTTP\r\n'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  const port = address === null || typeof address === 'string' ? 0 : address.port
  const check = createChecks({ exec: false })
  const ask = (what: ProbeCheck) => check(what, '127.0.0.1', AbortSignal.timeout(20_000))
  t.match(await ask({ kind: 'tcp', port }), { healthy: true })
  t.match(await ask({ ...http, port }), { healthy: false, reason: /Parse Error|Expected HTTP/ })
  t.match(await ask({ kind: 'grpc', port, service: '' }), { healthy: false, reason: /^[A-Z_]+: |connection/ })
  t.match(await ask({ kind: 'unit', unit: 'weft-no-such-unit' }), { healthy: false })
})

t.test('checks are described as an operator would write them', async t => {
  const described = (check: ProbeCheck, address = '10.0.0.7') => describeCheck(check, address)
  t.equal(described(http), 'GET http://10.0.0.7:8080/healthz')
  t.equal(described({ ...http, scheme: 'https', host: 'api.example' }), 'GET https://api.example:8080/healthz')
  t.equal(described(http, 'fd00::7'), 'GET http://[fd00::7]:8080/healthz')
  t.equal(described({ kind: 'tcp', port: 5432 }, 'fd00::7'), 'tcp [fd00::7]:5432')
  t.equal(described({ kind: 'grpc', port: 9000, service: '' }), 'grpc 10.0.0.7:9000')
  t.equal(described({ kind: 'grpc', port: 9000, service: 'shop.Api' }), 'grpc 10.0.0.7:9000/shop.Api')
  t.equal(described({ kind: 'unit', unit: 'api.service' }), 'unit api.service')
  t.equal(described({ kind: 'exec', command: ['sh', '-c', 'a\nb'] }), 'exec sh -c a b')
  t.equal(described({ kind: 'exec', command: ['x'.repeat(99)] }).length, 'exec '.length + 60)
})
