import t from 'tap'
import { DynamicTable } from '../../../../../../agent/dataplane/h2/hpack/dynamic-table.ts'

function names(table: DynamicTable): string[] {
  return Array.from({ length: table.count }, (_, index) => table.name(index))
}

t.test('has the newest entry first', async t => {
  const table = new DynamicTable(4096)
  table.add('a', '1')
  table.add('b', '2')
  t.strictSame(names(table), ['b', 'a'])
  t.equal(table.value(1), '1')
})

t.test('evicts the oldest entries by size', async t => {
  const table = new DynamicTable(3 * 34)
  for (const name of ['a', 'b', 'c', 'd']) table.add(name, '1')
  t.strictSame(names(table), ['d', 'c', 'b'])
})

t.test('is emptied by an entry larger than itself', async t => {
  const table = new DynamicTable(100)
  table.add('a', '1')
  table.add('b', 'x'.repeat(100))
  t.equal(table.count, 0)
  table.add('c', '1')
  t.strictSame(names(table), ['c'])
})

t.test('evicts when it is made smaller', async t => {
  const table = new DynamicTable(4096)
  for (const name of ['a', 'b', 'c']) table.add(name, '1')
  table.resize(34)
  t.strictSame(names(table), ['c'])
  table.resize(0)
  t.equal(table.count, 0)
})

t.test('keeps its order when it grows and wraps', async t => {
  const table = new DynamicTable(40 * 40)
  for (let index = 0; index < 500; index += 1) table.add(`n${index}`, '')
  t.strictSame(names(table).slice(0, 3), ['n499', 'n498', 'n497'])
  t.equal(table.count, Math.floor(1600 / 36))
})
