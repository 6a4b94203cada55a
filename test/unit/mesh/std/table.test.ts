import fc from 'fast-check'
import t from 'tap'
import { changedKeys, type Table, tableOf } from '../../../../mesh/std/table.ts'

t.test('entries come in the order of their keys, by code units', async t => {
  const table = tableOf([
    ['b', 1],
    ['a-b', 2],
    ['a/b', 3],
    ['B', 4],
    ['a', 5],
  ])
  t.same([...table.keys()], ['B', 'a', 'a-b', 'a/b', 'b'])
  t.same([...table.values()], [4, 5, 2, 3, 1])
  t.same([...table][0], ['B', 4])
  t.equal(table.size, 5)
})

t.test('a change makes a new table and leaves the old one as it was', async t => {
  const before = tableOf([
    ['a', 1],
    ['b', 2],
  ])
  const after = before.with([
    ['b', 3],
    ['c', 4],
    ['a', undefined],
  ])
  t.same(
    [...before.entries()],
    [
      ['a', 1],
      ['b', 2],
    ],
  )
  t.same(
    [...after.entries()],
    [
      ['b', 3],
      ['c', 4],
    ],
  )
  t.notOk(after.has('a'))
})

t.test('a change that changes nothing gives the same table', async t => {
  const table = tableOf([['a', 1]])
  t.equal(
    table.with([
      ['a', 1],
      ['b', undefined],
    ]),
    table,
  )
  t.equal(table.with([]), table)
})

t.test('a change is taken back by its opposite', async t => {
  const table = tableOf([['a', 1]])
  const same = table.with([['b', 2]]).with([['b', undefined]])
  t.same([...same.entries()], [['a', 1]])
  t.same(changedKeys(table, same), [])
})

t.test('the changed keys of any two tables are those whose values differ', async t => {
  const entries = fc.array(fc.tuple(fc.stringMatching(/^[a-e]{1,3}$/), fc.integer({ min: 0, max: 3 })), {
    maxLength: 200,
  })
  const changes = fc.array(
    fc.tuple(fc.stringMatching(/^[a-e]{1,3}$/), fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined })),
    { maxLength: 30 },
  )
  fc.assert(
    fc.property(entries, fc.array(changes, { maxLength: 5 }), (start, steps) => {
      const before = tableOf(start)
      const after = steps.reduce((table: Table<number>, step) => table.with(step), before)
      const expected = [...new Set([...before.keys(), ...after.keys()])]
        .filter(key => before.get(key) !== after.get(key))
        .sort()
      t.same(changedKeys(before, after), expected)
      t.same([...before.entries()], [...tableOf(start).entries()], 'the first table is untouched')
      const model = new Map(start)
      for (const [key, value] of steps.flat()) value === undefined ? model.delete(key) : model.set(key, value)
      t.same(new Map(after.entries()), model)
    }),
    { numRuns: 200 },
  )
})
