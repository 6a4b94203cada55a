import t from 'tap'
import { silentLog } from '../../../mesh/std/log.ts'
import { openNodes } from '../../../server/nodes.ts'
import { openSqliteStore } from '../../../server/store/sqlite.ts'

const record = { name: 'vm-1', identities: ['default/api'], joinedAt: 1, keyHash: 'ff', banned: false }

t.test('nodes are known from the store at the start and followed as they are written', async t => {
  const store = openSqliteStore(':memory:', { log: silentLog })
  t.teardown(() => store.close())
  await store.nodes.put(record)
  const nodes = await openNodes(store.nodes)
  t.same([...nodes.all.value.keys()], ['vm-1'])
  const seen: number[] = []
  nodes.all.subscribe(all => seen.push(all.size))
  await nodes.put({ ...record, name: 'vm-2' })
  await nodes.put({ ...record, banned: true })
  t.same(seen, [2, 2])
  t.equal(nodes.all.value.get('vm-1')?.banned, true)
  t.same(await nodes.get('vm-1'), { ...record, banned: true })
  t.equal((await nodes.list()).length, 2)
})

t.test('what could not be written is not known either', async t => {
  const store = openSqliteStore(':memory:', { log: silentLog })
  const nodes = await openNodes(store.nodes)
  await store.close()
  await t.rejects(nodes.put(record), { code: 'WEFT_STORE' })
  t.equal(nodes.all.value.size, 0)
})
