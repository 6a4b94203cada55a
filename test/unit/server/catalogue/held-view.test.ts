import t from 'tap'
import { HeldView } from '../../../../server/catalogue/held-view.ts'
import { plain, service, snapshotOf, workload } from '../../../support/catalogue.ts'

const nothing = { registry: false, service: () => false }
const everything = { registry: true, service: () => false }

function shown(view: HeldView) {
  return {
    workloads: [...view.shown.workloads.values()].map(({ id, health }) => [id, health]),
    services: [...view.shown.services.values()].map(({ name, endpoints }) => [
      name,
      endpoints.map(one => one.workload),
    ]),
  }
}

const before = snapshotOf(
  [service('api', ['r/a', 'r/b']), service('gone', ['r/b'])],
  [workload({ id: 'r/a' }), workload({ id: 'r/b' })],
)
const after = snapshotOf(
  [service('api', ['r/a', 'r/c'])],
  [workload({ id: 'r/a', health: 'unhealthy' }), workload({ id: 'r/c' })],
)

t.test('what vanished is shown with the news about the rest', async t => {
  const view = new HeldView()
  view.update(before, nothing)
  view.update(after, everything)
  t.same(shown(view), {
    workloads: [
      ['r/a', 'unhealthy'],
      ['r/b', 'healthy'],
      ['r/c', 'healthy'],
    ],
    services: [
      ['api', ['r/a', 'r/c', 'r/b']],
      ['gone', ['r/b']],
    ],
  })
  t.same([...view.held.keys()], ['r/b'])
})

t.test('without a doubt what vanished is gone', async t => {
  const view = new HeldView()
  view.update(before, nothing)
  view.update(after, nothing)
  t.same(plain(view.shown), plain(after))
  t.equal(view.held.size, 0)
})

t.test('one that is released leaves its services, the others stay', async t => {
  const view = new HeldView()
  view.update(before, nothing)
  view.update(snapshotOf([], []), everything)
  view.release(['r/b'])
  t.same(shown(view), {
    workloads: [['r/a', 'healthy']],
    services: [
      ['api', ['r/a']],
      ['gone', []],
    ],
  })
  view.releaseAll()
  t.same(shown(view), { workloads: [], services: [] })
})

t.test('what comes back is not held any more, and vanishes again only with a new doubt', async t => {
  const view = new HeldView()
  view.update(before, nothing)
  view.update(snapshotOf([], []), everything)
  view.update(before, nothing)
  t.equal(view.held.size, 0)
  t.same(plain(view.shown), plain(before))
  view.update(after, nothing)
  t.same(plain(view.shown), plain(after))
})

t.test('a service that loses all endpoints in one step keeps them where that is doubted, and only then', async t => {
  const three = ['r/1', 'r/2', 'r/3']
  const full = snapshotOf(
    [service('api', three), service('web', ['r/w'])],
    [...three, 'r/w'].map(id => workload({ id })),
  )
  const doubts = { registry: false, service: (had: { endpoints: readonly unknown[] }) => had.endpoints.length >= 3 }
  const view = new HeldView()
  view.update(full, nothing)
  view.update(snapshotOf([service('api')], []), doubts)
  t.same(shown(view).services, [['api', three]], 'web had one endpoint and is believed')
  const some = new HeldView()
  some.update(full, nothing)
  some.update(snapshotOf([service('api', ['r/1'])], [workload({ id: 'r/1' })]), doubts)
  t.same(shown(some).services, [['api', ['r/1']]], 'one of three is left: a scale-down')
})

t.test('a change of something else while much is held keeps what is held', async t => {
  const view = new HeldView()
  view.update(before, nothing)
  view.update(snapshotOf([], []), everything)
  view.update(snapshotOf([service('new', ['r/n'])], [workload({ id: 'r/n' })]), everything)
  t.same(
    shown(view).services.map(([name]) => name),
    ['api', 'gone', 'new'],
  )
})
