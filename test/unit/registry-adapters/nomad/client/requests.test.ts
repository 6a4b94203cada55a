import type { Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { systemClock } from '../../../../../mesh/std/clock.ts'
import { describeError } from '../../../../../mesh/std/errors.ts'
import { createNomadClient, type NomadClient } from '../../../../../registry-adapters/nomad/client/client.ts'
import { failureOf } from '../../../../../registry-adapters/nomad/client/errors.ts'
import type { NomadOptions } from '../../../../../registry-adapters/nomad/client/options.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { startRawServer } from '../../../../fakes/nomad-recorded.ts'
import { until } from '../../../../support/eventually.ts'

const { signal } = new AbortController()
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]'

t.test('header names are compared without case, and what is no number is none', async t => {
  const head = 'HTTP/1.1 200 OK\r\nX-NOMAD-INDEX: 7\r\nx-nomad-lastcontact: soon\r\nX-nomad-KNOWNLEADER: false\r\n'
  const { client } = await start(t, (_, socket) => socket.write(`${head}Content-Length: 2\r\n\r\n[]`))
  const answer = await client.get('/v1/services', {}, signal)
  t.same(answer, { body: [], index: 7, knownLeader: false, lastContactMs: 0, nextToken: undefined })
})

t.test('a request says what is asked, and that it takes gzip', async t => {
  const { client, asked } = await start(t, (_, socket) => socket.write(ok), { region: 'north' })
  await client.get('/v1/job/a%2Fb%20c', { namespace: 'pay ments', index: 7, waitMs: 1500, stale: true }, signal)
  await client.get('/v1/allocations', { index: 7, filter: 'A == "b"', perPage: 5, nextToken: 'x.y' }, signal)
  await client.get('/v1/nodes', { index: 0, params: { resources: 'true' } }, signal)
  t.same(asked, [
    '/v1/job/a%2Fb%20c?region=north&namespace=pay+ments&index=7&wait=1500ms&stale=true',
    '/v1/allocations?region=north&index=7&wait=60000ms&filter=A+%3D%3D+%22b%22&per_page=5&next_token=x.y',
    '/v1/nodes?resources=true&region=north',
  ])
})

t.test('a name that would lead to another path is refused before anything is sent', async t => {
  const { client, asked } = await start(t, (_, socket) => socket.write(ok))
  for (const path of [
    '/v1/service/..',
    '/v1/service/%2e%2e',
    '/v1/service/a?b',
    '/v1/service/a#b',
    'v1',
    '//other/x',
  ]) {
    const error = await client.get(path, {}, signal).catch(each => each)
    t.equal(failureOf(error), 'bad-answer', path)
  }
  t.same(asked, [])
})

t.test('a body that is no json, and none at all, is a bad answer that shows its begin', async t => {
  let body = ''
  const { client } = await start(t, (_, socket) => socket.write(withBody(body)))
  for (body of ['<html>login</html>', '', '[{"ID":', 'null x', '\u0000']) {
    const error = await client.get('/v1/services', {}, signal).catch(each => each)
    t.equal(failureOf(error), 'bad-answer', body)
    t.equal(error.fields.said, body)
  }
})

t.test('what is no http is a bad answer', async t => {
  let bytes = 'SSH-2.0-OpenSSH_9.2\r\n'
  const { client } = await start(t, (_, socket) => socket.end(bytes))
  t.equal(failureOf(await failing(client)), 'bad-answer')
  bytes = `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(1_000_000)}\r\n\r\n`
  t.equal(failureOf(await failing(client)), 'bad-answer', 'nor are headers without end')
  bytes = 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\nthis is not gzip at a'
  t.equal(failureOf(await failing(client)), 'bad-answer', 'nor is what is not compressed as it says')
})

t.test('a body over the limit is given up, whatever its form, and its socket closed', async t => {
  const limits = { maxAnswerBytes: 1000 }
  const long = JSON.stringify('x'.repeat(5_000_000))
  const zipped = gzipSync(long)
  const forms = [
    withBody(long),
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${long.length.toString(16)}\r\n${long}\r\n0\r\n\r\n`,
    Buffer.concat([
      Buffer.from(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10000000\r\n\r\n`),
      zipped,
    ]),
  ]
  for (const form of forms) {
    const { client, server } = await start(t, (_, socket) => socket.write(form), { limits })
    const error = await failing(client)
    t.equal(failureOf(error), 'bad-answer')
    t.equal(error.fields.maxBytes, 1000)
    await until('the socket is closed', () => server.open === 0)
  }
})

t.test('a compressed answer is read', async t => {
  const zipped = gzipSync('[1,2]')
  const head = `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${zipped.length}\r\n\r\n`
  const { client } = await start(t, (_, socket) => socket.write(Buffer.concat([Buffer.from(head), zipped])))
  t.same((await client.get('/v1/services', {}, signal)).body, [1, 2])
})

t.test('an error text without end is not read to its end', async t => {
  const { client, server } = await start(t, (_, socket) => {
    socket.write('HTTP/1.1 500 Oh\r\n\r\n')
    const more = () => socket.write('no '.repeat(10_000), () => socket.destroyed || more())
    more()
  })
  const error = await failing(client)
  t.equal(failureOf(error), 'server')
  await until('the socket is closed', () => server.open === 0)
})

t.test('a redirect is not followed', async t => {
  const { client, asked } = await start(t, (_, socket) =>
    socket.write('HTTP/1.1 307 Go\r\nLocation: /v1/elsewhere\r\nContent-Length: 0\r\n\r\n'),
  )
  t.equal(failureOf(await failing(client)), 'bad-answer')
  t.same(asked, ['/v1/services'])
})

t.test('nothing is repeated: the caller decides', async t => {
  const { client, asked } = await start(t, (_, socket) =>
    socket.write('HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n'),
  )
  const error = await failing(client)
  t.match(error, { fields: { failure: 'server', status: 503, retryAfterMs: 7_000, path: '/v1/services' } })
  t.equal(asked.length, 1)
})

t.test('nobody there is unreachable, and so is who hangs up', async t => {
  const { client, server, asked } = await start(t, (_, socket) => socket.destroy())
  t.equal(failureOf(await failing(client)), 'unreachable')
  t.equal(asked.length, 1, 'a fresh socket that is closed is not tried twice')
  await server.stop()
  const error = await failing(client)
  t.equal(failureOf(error), 'unreachable')
  t.match(describeError(error), /ECONNREFUSED/)
})

t.test('a kept socket that the server had closed is no failure', async t => {
  const seen = new Set<Socket>()
  const { client, server } = await start(t, (_, socket) => {
    if (seen.has(socket)) return void socket.destroy()
    seen.add(socket)
    socket.write(ok)
  })
  await client.get('/v1/services', {}, signal)
  t.same((await client.get('/v1/services', {}, signal)).body, [])
  t.equal(server.total, 2)
})

t.test('a body that breaks off is unreachable, not half a list', async t => {
  const { client } = await start(t, (_, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n', () => socket.destroy())
  })
  t.equal(failureOf(await failing(client)), 'unreachable')
})

t.test('an answer that does not come is given up after its time and not before', async t => {
  const clock = new FakeClock()
  const { client, server, asked } = await start(t, () => {}, {}, clock)
  const plain = failing(client)
  await until('it is asked', () => asked.length === 1)
  await clock.advance(9_999)
  t.equal(server.open, 1)
  await clock.advance(1)
  t.match(await plain, { fields: { failure: 'unreachable', withinMs: 10_000 } })
  await until('the socket is closed', () => server.open === 0)
})

t.test('a blocking read waits a sixteenth longer than Nomad may, and then its time', async t => {
  const clock = new FakeClock()
  const { client, server, asked } = await start(t, () => {}, {}, clock)
  const blocked = client.get('/v1/services', { index: 5, waitMs: 160_000 }, signal).catch(error => error)
  await until('it is asked', () => asked.length === 1)
  await clock.advance(179_999)
  t.equal(server.open, 1)
  await clock.advance(1)
  t.match(await blocked, { fields: { failure: 'unreachable', withinMs: 180_000 } })
})

t.test('a body that trickles is given up, too', async t => {
  const clock = new FakeClock()
  const limits = { answerMs: 1_000_000 }
  const bytes = 'HTTP/1.1 200 OK\r\n\r\n[1,'
  const { client, server } = await start(t, (_, socket) => socket.write(bytes), { limits }, clock)
  const reading = failing(client)
  await until('the clock runs for the body', async () => {
    if (server.open > 0) await clock.advance(10_000)
    return server.total === 1 && server.open === 0
  })
  t.match(await reading, { fields: { failure: 'unreachable', withinMs: 30_000 } })
})

t.test('an abort ends a read at once, with its reason, and closes its socket', async t => {
  for (const bytes of ['', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[']) {
    const { client, server, asked } = await start(t, (_, socket) => bytes !== '' && socket.write(bytes))
    const controller = new AbortController()
    const reading = client.get('/v1/services', { index: 1 }, controller.signal)
    const rejected = t.rejects(reading, { message: 'enough' })
    await until('it is asked', () => asked.length === 1)
    controller.abort(new Error('enough'))
    await rejected
    await until('the socket is closed', () => server.open === 0)
    await t.rejects(client.get('/v1/services', {}, controller.signal), { message: 'enough' })
    t.equal(asked.length, 1, 'after it nothing is asked')
  }
})

t.test('no more sockets are opened than allowed, and they are kept', async t => {
  const waiting: Socket[] = []
  const { client, server } = await start(t, (_, socket) => waiting.push(socket), { maxSockets: 2 })
  const reads = [1, 2, 3, 4, 5].map(() => client.get('/v1/services', {}, signal))
  for (let answered = 0; answered < 5; answered += 1) {
    await until('one is asked', () => waiting.length > 0)
    t.ok(server.open <= 2)
    waiting.shift()?.write(ok)
  }
  await Promise.all(reads)
  t.equal(server.total, 2)
})

t.test('close ends what is under way and leaves nothing open', async t => {
  const { client, server, asked } = await start(t, (target, socket) => target === '/v1/nodes' && socket.write(ok))
  await client.get('/v1/nodes', {}, signal)
  const hanging = failing(client)
  await until('it is asked', () => asked.length === 2)
  client.close()
  t.equal(failureOf(await hanging), 'unreachable')
  await until('all sockets are closed', () => server.open === 0)
  await t.rejects(client.get('/v1/nodes', {}, signal))
  t.equal(asked.length, 2)
})

type Serve = (target: string, socket: Socket) => unknown

async function start(
  t: Test,
  serve: Serve,
  options: Partial<NomadOptions> = {},
  clock: FakeClock | undefined = undefined,
) {
  const asked: string[] = []
  const server = await startRawServer((target, socket) => {
    asked.push(target)
    serve(target, socket)
  })
  const client = createNomadClient({ address: server.address, ...options }, { clock: clock ?? systemClock })
  t.teardown(async () => {
    client.close()
    await server.stop().catch(() => {})
  })
  return { client, server, asked }
}

function failing(client: NomadClient) {
  return client.get('/v1/services', {}, signal).then(
    () => t.fail('it was read'),
    error => error,
  )
}

function withBody(body: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}
