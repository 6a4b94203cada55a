import t from 'tap'
import type { RegistrySnapshot } from '../../../../mesh/model/catalogue.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { createKnowledge } from '../../../../registry-adapters/consul/knowledge.ts'
import { createReadQueue } from '../../../../registry-adapters/consul/read-queue.ts'
import { createRights } from '../../../../registry-adapters/consul/rights.ts'
import { consulInstance, plainContext } from '../../../support/consul-instance.ts'

t.test('nothing shows before every listed service was read, and then each change does', async t => {
  const { knowledge, views } = start()
  knowledge.applyNames({ consul: [], api: [], web: [] })
  knowledge.store('api', answer(7))
  knowledge.publish()
  t.notOk(knowledge.viewed)
  knowledge.store('web', answer(8))
  knowledge.publish()
  t.same([...views[0]!.services.keys()], ['default/api', 'default/web'])
  knowledge.applyNames({ consul: [], api: [], web: [], new: [] })
  knowledge.store('api', answer(9, 81))
  knowledge.publish()
  t.equal(views.length, 2, 'a new service that cannot be read yet holds nobody up')
})

t.test('new and changed names are to be read first, all others later, and watched ones not', async t => {
  const { knowledge, queue, watched } = start()
  knowledge.applyNames({ consul: [], api: [], web: [], db: [] })
  t.same(queue.take(9, false), ['api', 'web', 'db'], 'all are new')
  watched.add('db')
  knowledge.applyNames({ consul: [], api: ['v2'], web: [], db: [] })
  t.same(queue.take(9, false), ['api'])
  t.same(queue.take(9, true), ['web'])
})

t.test('a service that was not asked for is not followed', async t => {
  const { knowledge, views } = start(name => name !== 'web')
  knowledge.applyNames({ consul: [], api: [], web: [] })
  t.notOk(knowledge.isListed('web'))
  knowledge.store('web', answer(7))
  knowledge.store('api', answer(7))
  knowledge.publish()
  t.same([...views[0]!.services.keys()], ['default/api'])
})

t.test('an answer that comes after a newer one is too late', async t => {
  const { knowledge } = start()
  knowledge.applyNames({ consul: [], api: [] })
  knowledge.store('api', answer(7), 0n)
  knowledge.store('api', answer(9, 81))
  t.notOk(knowledge.store('api', answer(8, 80)), 'of a watch')
  t.notOk(knowledge.store('api', answer(8, 80), 7n), 'or of a read that began before')
  t.equal(knowledge.indexOf('api'), 9n)
})

t.test('an older answer that the reader has made sure of counts: Consul has begun anew', async t => {
  const { knowledge } = start()
  knowledge.applyNames({ consul: [], api: [] })
  knowledge.store('api', answer(900, 81))
  t.ok(knowledge.store('api', answer(12, 80), 900n))
  t.equal(knowledge.indexOf('api'), 12n)
})

t.test('a list that cannot be believed changes nothing', async t => {
  const { knowledge } = start()
  knowledge.applyNames({ consul: [], api: [] })
  t.throws(() => knowledge.applyNames({}), /missing/)
  t.ok(knowledge.isListed('api'))
  t.throws(() => knowledge.applyNodes([]), /no node/)
})

function answer(index: number, port = 80) {
  return { index: BigInt(index), instances: [consulInstance({ port })] }
}

function start(selection: (name: string) => boolean = () => true) {
  const queue = createReadQueue()
  const watched = new Set<string>()
  const views: RegistrySnapshot[] = []
  const knowledge = createKnowledge({
    context: plainContext,
    selection,
    queue,
    rights: createRights(silentLog),
    reading: new Set(),
    watched: { has: name => watched.has(name), retain() {} },
    show: view => void views.push(view),
  })
  return { knowledge, queue, watched, views }
}
