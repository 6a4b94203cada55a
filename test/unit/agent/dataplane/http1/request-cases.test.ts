import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { recordingBackend, requestCases, runRequestCases } from '../../../../support/http1-cases.ts'
import { codecProxy } from '../../../../support/http1-proxy.ts'

t.test('every case of the corpus is refused, or forwarded canonically', async t => {
  const backend = await recordingBackend()
  const proxy = codecProxy(backend.port)
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.teardown(() => {
    proxy.close()
    backend.server.close()
  })
  const { port } = proxy.address() as { port: number }
  const failures = await runRequestCases(async () => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    await once(socket, 'connect')
    return socket
  }, backend)
  t.strictSame(failures, [])
})

t.test('the corpus has every class of the threat model, and no name twice', async t => {
  const cases = [...requestCases().values()].flat()
  const classes = new Set(cases.map(one => one.class))
  for (let index = 1; index <= 28; index += 1) {
    t.ok(classes.has(`S${index}`), `S${index}`)
  }
  t.ok(classes.has('a') && classes.has('b') && classes.has('desync'))
  t.equal(new Set(cases.map(one => one.name)).size, cases.length)
  t.ok(cases.length >= 400, `${cases.length} cases`)
})
