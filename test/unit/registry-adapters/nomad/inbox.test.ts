import { readFileSync } from 'node:fs'
import t from 'tap'
import { applyChanges, type Wanted } from '../../../../registry-adapters/nomad/changed-read.ts'
import { createCluster } from '../../../../registry-adapters/nomad/cluster.ts'
import { createInbox } from '../../../../registry-adapters/nomad/inbox.ts'
import { recordedWorld } from '../../../support/nomad-recording.ts'

// What an adapter must know of events, against recorded streams.

const everything = () => true

t.test('an event of a service only says where to look, whatever its type: also a removal with a lost node', t => {
  const inbox = createInbox(everything)
  for (const { Events } of linesOf('node-down/events-node-down-plain')) inbox.add(Events)
  const { services } = inbox.take()
  t.same([...services.keys()], ['default/node-agent'])
  t.equal(services.get('default/node-agent')?.index, 289, 'as of the last of its events')
  t.end()
})

t.test('of several events of an allocation the newest counts, and nothing is kept twice', t => {
  const inbox = createInbox(everything)
  const lines = linesOf('events')
  for (const { Events } of [...lines, ...lines.toReversed()]) inbox.add(Events)
  const { allocations } = inbox.take()
  const flap = allocations.values().find(({ allocation }) => allocation.jobId === 'flap')
  t.match(flap, {
    scheduledIndex: 188,
    allocation: { modifyIndex: 191, clientStatus: 'complete', desiredStatus: 'stop' },
  })
  t.equal(inbox.take().allocations.size, 0)
  t.end()
})

t.test('a heartbeat, an unknown topic, and what is no event change nothing', t => {
  const inbox = createInbox(everything)
  inbox.add([])
  inbox.add([{ Topic: 'Job', Payload: { Job: {} } }, { Topic: 'Service', Payload: null }, null, 'x', 7])
  const { services, allocations, nodes } = inbox.take()
  t.same([services.size, allocations.size, nodes.size], [0, 0, 0])
  t.end()
})

t.test('namespaces that are not read are of no interest', t => {
  const inbox = createInbox(namespace => namespace === 'payments')
  for (const { Events } of linesOf('events')) inbox.add(Events)
  const { services, allocations } = inbox.take()
  t.same([services.size, allocations.size], [0, 0])
  t.end()
})

t.test(
  'an update of an allocation by its client changes its state; by the scheduler its job is read again',
  async t => {
    const { cluster } = await recordedWorld()
    const [id, known] = [...cluster.allocations].find(([, { allocation }]) => allocation.jobId === 'web') ?? []
    if (id === undefined || known === undefined) throw new Error('not recorded')
    const { modifyIndex } = known.allocation
    const change = (clientStatus: string, index: number, scheduledIndex: number) => {
      const wanted: Wanted = { services: new Map(), allocations: new Set() }
      const allocation = { ...known.allocation, clientStatus, modifyIndex: index }
      const allocations = new Map([[id, { allocation, scheduledIndex }]])
      applyChanges({ services: new Map(), allocations, nodes: new Map() }, cluster, wanted, 0)
      return { wanted: [...wanted.allocations], status: cluster.allocations.get(id)?.allocation.clientStatus }
    }
    t.same(change('pending', modifyIndex, modifyIndex), { wanted: [], status: 'running' }, 'of before')
    t.same(change('failed', modifyIndex + 1, modifyIndex), { wanted: [], status: 'failed' })
    t.same(change('running', modifyIndex + 5, modifyIndex + 5), { wanted: [id], status: 'running' })
  },
)

t.test('hints older than the last complete read, and allocations nobody has registered, are dropped', t => {
  const inbox = createInbox(everything)
  for (const { Events } of linesOf('events')) inbox.add(Events)
  const wanted: Wanted = { services: new Map(), allocations: new Set() }
  const changes = inbox.take()
  const cluster = createCluster()
  applyChanges(changes, cluster, wanted, 1000)
  t.equal(wanted.services.size, 0)
  t.equal(cluster.allocations.size, 0)
  applyChanges(changes, cluster, wanted, 100)
  t.same([...wanted.services.keys()], ['default/flap'])
  t.end()
})

t.test('the node that comes with each update of an allocation is no news', async t => {
  const { cluster, view } = await recordedWorld()
  const inbox = createInbox(everything)
  const lines = linesOf('events').flatMap(({ Events }) => Events)
  inbox.add(lines.filter(({ Topic }) => Topic === 'Node'))
  const changes = inbox.take()
  t.ok(changes.nodes.size > 0)
  applyChanges(changes, cluster, { services: new Map(), allocations: new Set() }, 0)
  t.equal(cluster.takeDirty().size, 0)
  t.equal(view.update(cluster), undefined)
})

interface Line {
  readonly Events: readonly { readonly Topic: string }[]
}

function linesOf(name: string): readonly Line[] {
  const text = readFileSync(new URL(`../../../fixtures/nomad/${name}.ndjson`, import.meta.url), 'utf8')
  return text
    .split('\n')
    .filter(line => line.startsWith('{"'))
    .map((line): Line => JSON.parse(line))
}
