import { connect } from 'node:net'
import t from 'tap'
import { silentLog } from '../../../../mesh/std/log.ts'
import { serveTelemetry, type TelemetryDeps } from '../../../../server/telemetry/http.ts'
import { httpOnce } from '../../../support/http-json.ts'

const metrics: TelemetryDeps['metrics'] = {
  text: async () => ({ contentType: 'text/plain; version=0.0.4', body: 'up 1\n' }),
}

t.test('health and readiness are two questions', async t => {
  let problem: string | undefined = 'waiting'
  const running = await serveTelemetry(
    { metrics, notReady: () => problem, log: silentLog },
    { host: '127.0.0.1', port: 0 },
  )
  t.teardown(() => running.stop())
  const ask = (path: string, method = 'GET') => httpOnce(method, `http://${running.addresses.metrics}${path}`)
  t.match(await ask('/healthz'), { status: 200 })
  t.match(await ask('/readyz'), { status: 503, body: 'waiting\n' })
  problem = undefined
  t.match(await ask('/readyz'), { status: 200, body: 'ready\n' })
  t.match(await ask('/metrics'), {
    status: 200,
    body: 'up 1\n',
    headers: { 'content-type': /^text\/plain; version=0.0.4/ },
  })
  t.match(await ask('/metrics', 'POST'), { status: 405 })
  t.match(await ask('/'), { status: 404 })
})

t.test('bytes that are no HTTP are answered with an error and nothing else happens', async t => {
  const running = await serveTelemetry(
    { metrics, notReady: () => undefined, log: silentLog },
    { host: '127.0.0.1', port: 0 },
  )
  t.teardown(() => running.stop())
  const [host, port] = (running.addresses.metrics ?? '').split(':')
  const socket = connect(Number(port), host)
  socket.end(Buffer.from([0x16, 3, 1, 0, 255, 0, 0]))
  socket.resume()
  await new Promise(resolve => socket.once('close', resolve))
  t.match(await httpOnce('GET', `http://${running.addresses.metrics}/healthz`), { status: 200 })
})

t.test('a port that is taken is an error with its address', async t => {
  const deps = { metrics, notReady: () => undefined, log: silentLog }
  const running = await serveTelemetry(deps, { host: '127.0.0.1', port: 0 })
  t.teardown(() => running.stop())
  const port = Number((running.addresses.metrics ?? '').split(':')[1])
  await t.rejects(serveTelemetry(deps, { host: '127.0.0.1', port }), { code: 'WEFT_LISTEN', fields: { port } })
})
