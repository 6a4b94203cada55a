import t, { type Test } from 'tap'
import { until } from '../../../../support/eventually.ts'
import { octetsOf, type ResponseCase, responseCases } from '../../../../support/http1-cases.ts'
import { bodyOf, codecClient, watchExchange } from '../../../../support/http1-pair.ts'

async function run(t: Test, one: ResponseCase) {
  const { connection, server, closed } = await codecClient(t)
  const method = one.method ?? 'GET'
  const fields = one.upgrade === true ? ['upgrade', 'websocket'] : []
  const headers = [':method', method, ':scheme', 'http', ':authority', 'web', ':path', '/', ...fields]
  const seen = watchExchange(connection.open(headers, one.upgrade !== true)!)
  await server.expect('\r\n\r\n')
  server.send(octetsOf(one.bytes))
  if (one.close === true) server.socket.end()
  const tunnel = one.outcome.startsWith('101')
  const [wanted = '', body = ''] = one.outcome.split(/ (.*)/s)
  await until(one.name, () => seen.ended || seen.reset !== undefined || (tunnel && bodyOf(seen) === body))
  if (!tunnel && one.reusable !== true) await until(`${one.name}: closed`, () => closed.length === 1)
  const statuses = seen.headers.filter(([name]) => name === ':status').map(([, status]) => status)
  const interims = statuses.filter(status => status !== undefined && status < '200' && status !== '101').length
  t.equal(interims, one.interims ?? 0, `${one.name}: informational responses`)
  if (wanted === 'reset') t.ok(seen.reset !== undefined && !seen.ended, `${one.name}: reset`)
  else t.strictSame([statuses.at(-1), seen.reset], [wanted, undefined], `${one.name}: answered`)
  t.equal(bodyOf(seen), body, `${one.name}: body`)
  t.equal(connection.canOpen(), one.reusable === true, `${one.name}: reusable`)
}

t.test('every response of the corpus is passed on, or resets its exchange', async t => {
  for (const one of responseCases()) await run(t, one)
})
