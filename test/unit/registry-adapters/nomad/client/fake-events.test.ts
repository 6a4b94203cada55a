import t, { type Test } from 'tap'
import { systemClock } from '../../../../../mesh/std/clock.ts'
import { createNomadClient } from '../../../../../registry-adapters/nomad/client/client.ts'
import { FakeNomad } from '../../../../fakes/nomad.ts'
import type { JobSpec } from '../../../../fakes/nomad-job.ts'
import { recordedText } from '../../../../fakes/nomad-model.ts'
import { misfits } from '../../../../fakes/nomad-shapes.ts'
import type { NomadEvent } from '../../../../fakes/nomad-state.ts'
import { until } from '../../../../support/eventually.ts'
import { httpOnce } from '../../../../support/http-json.ts'

interface Line {
  readonly Index: number
  readonly Events: readonly NomadEvent[]
}

const flap: JobSpec = jobWith('flap', { tags: ['blue'] })
const streams = {
  flap: 'events.ndjson',
  drain: 'drain/events-drain.ndjson',
  down: 'node-down/events-node-down-plain.ndjson',
  disconnected: 'node-down/events-node-down.ndjson',
}

t.test('a job that runs, changes, restarts and stops sends the lines that were recorded', async t => {
  const { fake, lines } = await startFollowed(t)
  fake.cluster.addNode({ name: 'a', address: '10.0.0.1' })
  const from = fake.state.index
  fake.cluster.runJob(flap)
  fake.cluster.runJob(jobWith('flap', { tags: ['blue', 'green'] }))
  fake.cluster.restart(fake.cluster.allocations('flap')[0]?.ID ?? '')
  fake.cluster.stopJob('flap')
  await until('all lines', () => lines.at(-1)?.Index === fake.state.index)
  t.same(kindsOf(lines.filter(line => line.Index > from)), kindsOf(recordedLines(streams.flap)))
})

t.test('a drain and its end send the lines that were recorded', async t => {
  const { fake, lines } = await startFollowed(t)
  fake.cluster.addNode({ name: 'c', address: '10.0.0.3' })
  fake.cluster.runJob(jobWith('api-v2', {}, 2))
  const from = fake.state.index
  fake.nodes.drain('c')
  const drained = fake.state.index
  fake.nodes.enable('c')
  await until('all lines', () => lines.at(-1)?.Index === fake.state.index)
  const recorded = recordedLines(streams.drain).filter(line => line.Index > 191)
  // The recorded cluster ran a system job beside it, and only that came back.
  t.same(
    kindsOf(lines.filter(line => line.Index > from && line.Index <= drained)),
    kindsOf(recorded.filter(line => line.Index <= 210 && !concerns(line, 'node-agent'))),
  )
  t.same(kindsOf(lines.filter(line => line.Index > drained)), kindsOf(recorded.filter(line => line.Index > 210)))
})

t.test('a node that is lost and comes back sends the lines that were recorded, up to the ghosts', async t => {
  const { fake, lines } = await startFollowed(t)
  fake.cluster.addNode({ name: 'c', address: '10.0.0.3' })
  fake.cluster.runJob({ ...jobWith('node-agent', {}), type: 'system' })
  const from = fake.state.index
  fake.nodes.lose('c')
  fake.nodes.comeBack('c')
  const ghosts = fake.state.index
  const listed = await httpOnce('GET', `${fake.address}/v1/service/node-agent`)
  t.equal(JSON.parse(listed.body).length, 1, 'the registration of a lost allocation is back')
  fake.nodes.settle('c')
  await until('all lines', () => lines.at(-1)?.Index === fake.state.index)
  const recorded = recordedLines(streams.down).filter(line => line.Index > 268)
  t.same(
    kindsOf(lines.filter(line => line.Index > from && line.Index <= ghosts)),
    kindsOf(recorded.filter(line => line.Index <= 284)),
  )
  const after = new Set(kindsOf(lines.filter(line => line.Index > ghosts)))
  t.same(after, new Set(kindsOf(recorded.filter(line => line.Index > 284))))
})

t.test('a node whose allocations wait for it is disconnected, and what it ran stays as unknown', async t => {
  const { fake, lines } = await startFollowed(t)
  fake.cluster.addNode({ name: 'b', address: '10.0.0.2' })
  fake.cluster.runJob(jobWith('web', {}))
  fake.cluster.runJob(jobWith('disconnect', { disconnect: true }))
  fake.cluster.runJob({ ...jobWith('node-agent', {}), type: 'system' })
  const from = fake.state.index
  fake.nodes.lose('b')
  const lost = fake.state.index
  await until('all lines', () => lines.at(-1)?.Index === lost)
  const recorded = recordedLines(streams.disconnected).filter(line => line.Index > 217 && line.Index <= 227)
  t.same(kindsOf(lines.filter(line => line.Index > from)), kindsOf(recorded))
  const names = async () => {
    const { body } = await httpOnce('GET', `${fake.address}/v1/services?namespace=*`)
    return namesOf(JSON.parse(body))
  }
  t.same(await names(), ['disconnect', 'node-agent'])
  fake.nodes.return('b')
  t.same(await names(), ['disconnect', 'node-agent', 'web'])
  const kept = fake.cluster.allocations('disconnect')[0]
  t.equal(kept?.ClientStatus, 'running')
})

t.test('events, and all that they carry, have the shape of recorded ones', async t => {
  const { fake, lines } = await startFollowed(t)
  const { cluster } = fake
  for (const name of ['a', 'b']) cluster.addNode({ name, address: '10.0.0.1', meta: { rack: 'r1' } })
  cluster.runJob(jobWith('web', {}, 2))
  cluster.runJob({ ...jobWith('agent', {}), type: 'system' })
  fake.nodes.drain('a')
  fake.nodes.enable('a')
  fake.nodes.lose('b')
  fake.nodes.return('b')
  cluster.stopJob('web')
  await until('all lines', () => lines.at(-1)?.Index === fake.state.index)
  const recorded = Object.values(streams).flatMap(recordedLines)
  const examples = recorded.flatMap(line => line.Events)
  const kinds = new Set(examples.map(kindOf))
  t.same(misfits(lines, [recorded]), [])
  for (const event of lines.flatMap(line => line.Events)) {
    t.ok(kinds.has(kindOf(event)), kindOf(event))
    const alike = examples.filter(one => one.Topic === event.Topic)
    t.same(misfits(event, alike), [], kindOf(event))
    t.equal(event.Namespace, event.Topic === 'Node' ? '' : 'default')
  }
})

t.test('a service event is an upsert when its index is that of the registration, as recorded', async t => {
  const { fake, lines } = await startFollowed(t)
  fake.cluster.addNode({ name: 'a', address: '10.0.0.1' })
  fake.cluster.runJob(flap)
  fake.nodes.lose('a')
  fake.nodes.return('a')
  fake.cluster.stopJob('flap')
  await until('all lines', () => lines.at(-1)?.Index === fake.state.index)
  const holds = (line: Line) =>
    line.Events.filter(event => event.Topic === 'Service').map(event => {
      const { ModifyIndex } = event.Payload.Service as { ModifyIndex: number }
      return (ModifyIndex === line.Index) === (event.Type === 'ServiceRegistration')
    })
  const recorded = Object.values(streams).flatMap(recordedLines).flatMap(holds)
  t.equal(recorded.length, 25)
  t.notOk(recorded.includes(false))
  t.ok(lines.flatMap(holds).length >= 4)
  t.notOk(lines.flatMap(holds).includes(false))
})

t.test('a stream begins at the index that was recorded for each asked one', async t => {
  const fake = await FakeNomad.start()
  t.teardown(() => fake.stop())
  fake.cluster.addNode({ name: 'a', address: '10.0.0.1' })
  fake.streams.forget()
  const text = recordedText('events-resume.txt')
  const cases = [...text.matchAll(/^GET \S*topic=Node\S*&index=(\d+)\n.*?: \['heartbeat', ([^\]]*)\]/gm)]
  t.equal(cases.length, 8)
  const all = [95, 96, 102, 103, 106, 179, 180, 184, 185, 186, 188, 190, 191]
  for (const index of all) {
    fake.state.index = index - 1
    fake.cluster.setEligible('a', true)
  }
  for (const [, asked = '', first = ''] of cases) {
    const seen = await firstIndexes(fake, Number(asked), first.split(',').length)
    t.equal(seen.join(', '), first, `index ${asked}`)
  }
})

t.test('the buffer holds so many entries and no more, and tells nothing of older ones', async t => {
  const fake = await FakeNomad.start({ bufferSize: 3 })
  t.teardown(() => fake.stop())
  for (const name of ['a', 'b', 'c', 'd', 'e']) fake.cluster.addNode({ name, address: '10.0.0.1' })
  t.same(await firstIndexes(fake, 0, 3), [4, 5, 6])
  fake.streams.dropping = true
  fake.cluster.setEligible('a', false)
  fake.streams.dropping = false
  fake.cluster.setEligible('a', true)
  t.same(await firstIndexes(fake, 0, 3), [5, 6, 8], 'a gap')
})

async function startFollowed(t: Test) {
  const fake = await FakeNomad.start()
  const client = createNomadClient({ address: fake.address }, { clock: systemClock })
  const controller = new AbortController()
  const lines: Line[] = []
  const following = (async () => {
    for await (const { index, events } of client.events({ topics, namespace: '*' }, controller.signal)) {
      if (index > 0) lines.push({ Index: index, Events: events as readonly NomadEvent[] })
    }
  })()
  await until('the stream is open', () => fake.streams.open === 1)
  t.teardown(async () => {
    controller.abort()
    await following
    client.close()
    await fake.stop()
  })
  return { fake, lines }
}

const topics = ['Service', 'Allocation', 'Node']

async function firstIndexes(fake: FakeNomad, index: number, count: number): Promise<readonly number[]> {
  const client = createNomadClient({ address: fake.address }, { clock: systemClock })
  const { signal } = new AbortController()
  const seen: number[] = []
  for await (const batch of client.events({ topics, namespace: '*', index }, signal)) {
    if (batch.index > 0) seen.push(batch.index)
    if (seen.length === count) break
  }
  client.close()
  return seen
}

function recordedLines(file: string): readonly Line[] {
  const lines: readonly (Line | { Events?: undefined })[] = recordedText(file)
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  return lines.filter((line): line is Line => line.Events !== undefined)
}

/** Which kinds of events each line has, in order; a line like the one before counts once. */
function kindsOf(lines: readonly Line[]): readonly string[] {
  const kinds = lines.map(line => [...new Set(line.Events.map(kindOf))].join(', '))
  return kinds.filter((kind, at) => kind !== kinds[at - 1])
}

function kindOf({ Topic, Type }: NomadEvent): string {
  return `${Topic} ${Type}`
}

function concerns({ Events }: Line, job: string): boolean {
  return Events.some(event => event.FilterKeys?.includes(job) === true)
}

function namesOf(body: readonly { Services: readonly { ServiceName: string }[] }[]): readonly string[] {
  return body.flatMap(({ Services }) => Services.map(one => one.ServiceName)).sort()
}

function jobWith(id: string, options: { tags?: readonly string[]; disconnect?: boolean }, count = 1): JobSpec {
  const { tags = [], disconnect = false } = options
  const service = { name: id, port: 'http', tags, checks: [{ name: 'alive' }] }
  return { id, groups: [{ name: 'g', count, disconnect, ports: { http: {} }, services: [service] }] }
}
