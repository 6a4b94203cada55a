import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { systemClock } from '../../../../../mesh/std/clock.ts'
import { createNomadClient, type NomadEventBatch } from '../../../../../registry-adapters/nomad/client/client.ts'
import { failureOf } from '../../../../../registry-adapters/nomad/client/errors.ts'
import type { NomadOptions } from '../../../../../registry-adapters/nomad/client/options.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { FakeNomad } from '../../../../fakes/nomad.ts'
import { recordedText } from '../../../../fakes/nomad-model.ts'
import { startRawServer } from '../../../../fakes/nomad-recorded.ts'
import { until } from '../../../../support/eventually.ts'

const query = { topics: ['Service', 'Allocation', 'Node'], namespace: '*' }
const head = recordedText('events.head.txt').replaceAll(/\r?\n/g, '\r\n')
const { signal } = new AbortController()

t.test('a recorded stream is read line by line, in pieces of any size', async t => {
  const text = recordedText('events.ndjson')
  const expected = text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
    .map(({ Index: index = 0, Events: events = [] }) => ({ index, events }))
  for (const size of [7, 1_000, 1_000_000]) {
    const { client, asked } = await start(t, async (_, socket) => {
      const bytes = Buffer.from(head + text)
      for (let at = 0; at < bytes.length; at += size) {
        if (!socket.write(bytes.subarray(at, at + size))) await new Promise(done => socket.once('drain', done))
      }
      socket.end()
    })
    t.same(await collect(client.events({ ...query, index: 164 }, signal)), expected, `${size}`)
    t.same(asked, ['/v1/event/stream?topic=Service&topic=Allocation&topic=Node&namespace=*&index=164'])
  }
})

t.test('a refused stream is 200 and silence, as recorded: no heartbeat within five seconds', async t => {
  const clock = new FakeClock()
  const refused = recordedText('acl/event-stream-403-none.raw.txt')
  t.match(refused, /^HTTP\/1.1 200 OK/)
  const limits = { answerMs: 1_000_000 }
  const { client, server } = await start(t, (_, socket) => socket.write(refused), { limits }, clock)
  const first = firstOf(client.events(query, signal))
  const before = clock.now()
  await until('it is given up', async () => {
    await clock.advance(500)
    return server.total === 1 && server.open === 0
  })
  t.ok(clock.now() - before >= 5_000)
  t.match(await first, { code: 'WEFT_REGISTRY_UNAVAILABLE', fields: { failure: 'denied-or-dead' } })
})

t.test('a stream that ends before its first heartbeat was refused', async t => {
  const { client } = await start(t, (_, socket) => socket.end(head))
  t.equal(failureOf(await firstOf(client.events(query, signal))), 'denied-or-dead')
})

t.test('a stream that ends later ends', async t => {
  const { client, server } = await start(t, (_, socket) => socket.end(`${head}{}\n{"Index":5,"Events":[1]}\n{"Ind`))
  t.same(await collect(client.events(query, signal)), [
    { index: 0, events: [] },
    { index: 5, events: [1] },
  ])
  await until('its socket is closed', () => server.open === 0)
})

t.test('a stream that is reset is no end', async t => {
  const { client } = await start(t, (_, socket) => socket.write(`${head}{}\n`, () => socket.resetAndDestroy()))
  t.equal(await endOf(client.events(query, signal)), 'unreachable')
})

t.test('more than 35 seconds without anything is dead, and each heartbeat gives 35 more', async t => {
  const clock = new FakeClock()
  let socket: Socket | undefined
  const { client, server } = await start(t, (_, one) => one.write(`${head}{}\n`, () => (socket = one)), {}, clock)
  const batches: NomadEventBatch[] = []
  const ended = follow(client.events(query, signal), batches)
  for (let beats = 1; beats <= 3; beats += 1) {
    await until('a heartbeat', () => batches.length === beats && clock.pending === 1)
    await clock.advance(34_999)
    t.equal(server.open, 1)
    socket?.write('{}\n')
  }
  await until('the last heartbeat', () => batches.length === 4 && clock.pending === 1)
  await clock.advance(35_001)
  t.match(await ended, { fields: { failure: 'denied-or-dead', withinMs: 35_000 } })
  await until('its socket is closed', () => server.open === 0)
})

t.test('a reader that takes its time is not taken for silence', async t => {
  const clock = new FakeClock()
  const { client } = await start(t, (_, socket) => socket.write(`${head}{}\n{"Index":5,"Events":[]}\n`), {}, clock)
  const events = client.events(query, signal)[Symbol.asyncIterator]()
  t.match(await events.next(), { value: { index: 0 } })
  await clock.advance(1_000_000)
  t.match(await events.next(), { value: { index: 5 } })
  await events.return?.()
})

t.test('a line without end is given up at the limit', async t => {
  const { client, server } = await start(t, (_, socket) => socket.write(`${head}{}\n${'x'.repeat(2000)}`), {
    limits: { maxLineBytes: 1000 },
  })
  t.equal(await endOf(client.events(query, signal)), 'bad-answer')
  await until('its socket is closed', () => server.open === 0)
})

t.test('a line that is no event is a bad answer', async t => {
  let line = ''
  const { client } = await start(t, (_, socket) => socket.write(`${head}${line}\n`))
  const lines = ['garbage', '[]', 'null', '7', '{"Index":5}', '{"Events":[]}', '{"Index":"5","Events":[]}']
  for (line of [...lines, '{"Index":-1,"Events":[]}', '{"Index":1.5,"Events":[]}', '{"Index":1,"Events":{}}']) {
    t.equal(failureOf(await firstOf(client.events(query, signal))), 'bad-answer', line)
  }
})

t.test('an error status is what it would be elsewhere, as recorded of an agent that has no server', async t => {
  const wire = recordedText('errors/server-down-event-stream-on-client.raw.txt')
  const { client, server } = await start(t, (_, socket) => socket.end(wire))
  const error = await firstOf(client.events(query, signal))
  t.match(error, { fields: { failure: 'no-leader', status: 500, said: /^dial tcp/ } })
  await until('its socket is closed', () => server.open === 0)
})

t.test('no answer at all is unreachable', async t => {
  const clock = new FakeClock()
  const { client, asked } = await start(t, () => {}, {}, clock)
  const first = firstOf(client.events(query, signal))
  await until('it is asked', () => asked.length === 1)
  await clock.advance(10_000)
  t.equal(failureOf(await first), 'unreachable')
})

t.test('an abort ends the iterable without an error, at any moment', async t => {
  for (const bytes of ['', head, `${head}{}\n`]) {
    const { client, server, asked } = await start(t, (_, socket) => bytes !== '' && socket.write(bytes))
    const controller = new AbortController()
    const ended = collect(client.events(query, controller.signal))
    await until('it is asked', () => asked.length === 1)
    controller.abort()
    t.ok((await ended).length <= 1)
    await until('its socket is closed', () => server.open === 0)
    t.same(await collect(client.events(query, controller.signal)), [])
    t.equal(asked.length, 1)
  }
})

t.test('a reader that leaves closes the socket', async t => {
  const { client, server } = await start(t, (_, socket) => socket.write(`${head}{}\n{}\n`))
  for await (const batch of client.events(query, signal)) {
    t.same(batch, { index: 0, events: [] })
    break
  }
  await until('its socket is closed', () => server.open === 0)
})

t.test('a stream takes no socket from other requests', async t => {
  const fake = await FakeNomad.start()
  const client = createNomadClient({ address: fake.address, maxSockets: 1 }, { clock: systemClock })
  const controller = new AbortController()
  t.teardown(async () => {
    client.close()
    await fake.stop()
  })
  const streams = [1, 2, 3].map(() => collect(client.events(query, controller.signal)))
  await until('all are open', () => fake.streams.open === 3)
  t.same((await client.get('/v1/services', {}, signal)).body, [])
  controller.abort()
  await Promise.all(streams)
})

type Serve = (target: string, socket: Socket) => unknown

async function start(t: Test, serve: Serve, options: Partial<NomadOptions> = {}, clock?: FakeClock) {
  const asked: string[] = []
  const server = await startRawServer((target, socket) => {
    asked.push(target)
    serve(target, socket)
  })
  const client = createNomadClient({ address: server.address, ...options }, { clock: clock ?? systemClock })
  t.teardown(async () => {
    client.close()
    await server.stop()
  })
  return { client, server, asked }
}

async function collect(events: AsyncIterable<NomadEventBatch>): Promise<readonly NomadEventBatch[]> {
  const batches: NomadEventBatch[] = []
  for await (const batch of events) batches.push(batch)
  return batches
}

/** The kind of the failure that ends it, if one does. */
async function endOf(events: AsyncIterable<NomadEventBatch>) {
  return failureOf(await follow(events, []))
}

/** The error that ends it, if one does. */
async function follow(events: AsyncIterable<NomadEventBatch>, batches: NomadEventBatch[]): Promise<unknown> {
  try {
    for await (const batch of events) batches.push(batch)
    return undefined
  } catch (error) {
    return error
  }
}

async function firstOf(events: AsyncIterable<NomadEventBatch>): Promise<unknown> {
  const batches: NomadEventBatch[] = []
  const error = await follow(events, batches)
  return batches.length > 0 ? batches : error
}
