import t from 'tap'
import { createLimit } from '../../../../agent/health/limit.ts'

t.test('no more tasks than allowed run at once, and the others follow in order', async t => {
  const limit = createLimit(2)
  const began: number[] = []
  const gates = [0, 1, 2, 3].map(() => Promise.withResolvers<void>())
  const tasks = gates.map((gate, at) =>
    limit(async () => {
      began.push(at)
      await gate.promise
      return at
    }),
  )
  await new Promise(resolve => setImmediate(resolve))
  t.same(began, [0, 1])
  gates[1]?.resolve()
  t.equal(await tasks[1], 1)
  await new Promise(resolve => setImmediate(resolve))
  t.same(began, [0, 1, 2])
  for (const gate of gates) gate.resolve()
  t.same(await Promise.all(tasks), [0, 1, 2, 3])
})

t.test('a task that throws gives its place back', async t => {
  const limit = createLimit(1)
  await t.rejects(
    limit(() => {
      throw new Error('no')
    }),
    { message: 'no' },
  )
  t.equal(await limit(() => 'next'), 'next')
})
