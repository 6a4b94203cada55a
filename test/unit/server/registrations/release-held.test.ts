import t from 'tap'
import { tableOf } from '../../../../mesh/std/table.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import { startReleaseHeld } from '../../../../server/registrations/release-held.ts'
import { workload } from '../../../support/catalogue.ts'

type Held = Parameters<typeof startReleaseHeld>[0]['view']['held']['value']

const entries = ['silent', 'meant'].map(name => {
  const id = `hosts/default/${name}`
  return [id, workload({ id, name, node: 'vm-1' })] as const
})

t.test('of a mass disappearance only what fell silent is held on to', async t => {
  const held = new Watch<Held>(tableOf())
  const reports = new Watch(0)
  const lost = new Set(['silent'])
  const found: (readonly [string, boolean])[][] = []
  const release = startReleaseHeld({
    view: { held, found: answers => void found.push([...answers]) },
    keeper: { isLost: (node, name) => node === 'vm-1' && lost.has(name) },
    reports,
  })
  t.same(found, [])
  held.set(tableOf(entries))
  t.same(found, [[['hosts/default/meant', false]]])
  held.set(tableOf(entries.slice(0, 1)))
  t.equal(found.length, 1)
  lost.clear()
  reports.set(1)
  t.same(found.at(-1), [['hosts/default/silent', false]], 'its host is back and says that it is gone')
  release.stop()
  reports.set(2)
  t.equal(found.length, 2)
})
