import t from 'tap'
import { BlockPool } from '../../../../../agent/dataplane/h2/blocks.ts'

t.test('hands a block out again that was given back', async t => {
  const pool = new BlockPool(1024)
  const block = pool.take()
  t.equal(block.length, 1024)
  t.not(pool.take(), block)
  pool.give(block)
  t.equal(pool.take(), block)
})

t.test('keeps only as many as it may', async t => {
  const pool = new BlockPool(1024, 1)
  const [first, second] = [pool.take(), pool.take()]
  pool.give(first)
  pool.give(second)
  t.equal(pool.take(), first)
  t.not(pool.take(), second)
})

t.test('has room for two full reads with their frame headers', async t => {
  t.ok(new BlockPool().blockBytes >= 2 * (65_536 + 9))
})
