import { writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { flowFiles } from '../../../../server/flows/flow-files.ts'
import { flowRetentionMs, openFlowStore, servedBy } from '../../../../server/flows/flow-store.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { catalogueOf, service, workload } from '../../../support/catalogue.ts'
import { aFlow } from '../../../support/flows.ts'
import { recordedLog } from '../../../support/recorded-log.ts'

const catalogue = catalogueOf(
  [service('api', ['static/api-1'])],
  [workload({ id: 'static/api-1', node: 'b', serviceAccount: 'api' })],
)

async function open(directory: string, clock = new FakeClock()) {
  const log = recordedLog()
  const serves = (node: string, flow: ReturnType<typeof aFlow>) => servedBy(catalogue, node, flow)
  const store = await openFlowStore({ clock, log, files: flowFiles(directory, log), serves })
  return { clock, log, store }
}

t.test('reports are added up, and are there after a restart, for nobody else to read', async t => {
  const directory = join(t.testdir(), 'flows')
  const { clock, store } = await open(directory, new FakeClock(3_000))
  store.report('b', [aFlow(), aFlow({ path: '/two' })])
  store.report('b', [aFlow({ count: 4, firstSeen: 2_000, lastSeen: 2_000 })])
  const [held] = store.all()
  t.match(held, { node: 'b', flows: [{ path: '/', count: 5, firstSeen: 1_000, lastSeen: 2_000 }, { path: '/two' }] })
  await store.stop()
  t.equal((await stat(join(directory, 'b.json'))).mode & 0o777, 0o600)
  const again = await open(directory, clock)
  t.same(again.store.all(), [held])
  await again.store.stop()
})

t.test('a node is believed about its own workloads only', async t => {
  const { store } = await open(t.testdir())
  store.report('a', [aFlow()])
  store.report('b', [aFlow({ service: 'default/other' }), aFlow({ port: 9 }), aFlow({ caller: 'root' })])
  t.same(store.all(), [])
  await store.stop()
})

t.test('what was not seen for thirty days is forgotten, and no clock keeps it longer', async t => {
  const { clock, store } = await open(t.testdir())
  store.report('b', [aFlow({ lastSeen: clock.now() + 1_000 * flowRetentionMs })])
  t.equal(store.all().length, 1)
  clock.jump(flowRetentionMs + 1)
  await store.stop()
  t.same(store.all(), [])
})

t.test('two thousand are kept of a node, those seen last', async t => {
  const { store } = await open(t.testdir())
  store.report(
    'b',
    Array.from({ length: 2_010 }, (_, at) => aFlow({ path: `/${at}`, lastSeen: 1_000 + at })),
  )
  const paths = new Set(store.all()[0]?.flows.map(({ path }) => path))
  t.equal(paths.size, 2_000)
  t.notOk(paths.has('/9'))
  await store.stop()
})

t.test('a file that cannot be read is named and begun anew', async t => {
  const directory = t.testdir()
  writeFileSync(join(directory, 'b.json'), '{"node": "b"')
  const { log, store } = await open(directory)
  t.same(store.all(), [])
  t.match(log.lines, [{ level: 'warn', fields: { file: 'b.json' } }])
  await store.stop()
})
