import t from 'tap'
import { createRetrying } from '../../../../agent/control/retrying.ts'
import { createSaver } from '../../../../agent/control/saver.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { FakeClock } from '../../../fakes/clock.ts'

const base = () => ({ clock: new FakeClock(), random: () => 0.5, log: silentLog })

t.test('tries the latest input again until it is in use', async t => {
  const deps = base()
  const attempts: (string | undefined)[] = []
  let broken = true
  const retrying = createRetrying<string>({
    ...deps,
    failing: 'x does not work',
    code: 'WEFT_CAPTURE',
    async attempt(latest) {
      attempts.push(latest)
      if (broken) throw new Error('no rights')
    },
  })
  t.teardown(() => retrying.stop())
  await retrying.submit('a')
  t.equal(retrying.problem(), 'no rights')
  await retrying.submit('b')
  broken = false
  await deps.clock.advance(60_000)
  t.same(attempts, ['a', 'b', 'b'])
  t.equal(retrying.problem(), undefined)
  t.equal(deps.clock.pending, 0)
})

t.test('stops after the attempt under way and tries no more', async t => {
  const deps = base()
  const gate = Promise.withResolvers<void>()
  let attempts = 0
  const retrying = createRetrying<string>({
    ...deps,
    failing: 'x does not work',
    code: 'WEFT_CAPTURE',
    async attempt() {
      attempts += 1
      await gate.promise
      throw new Error('late')
    },
  })
  void retrying.submit('a')
  await deps.clock.advance(0)
  const stopped = retrying.stop()
  gate.resolve()
  await stopped
  await retrying.submit('b')
  await deps.clock.advance(600_000)
  t.equal(attempts, 1)
  t.equal(deps.clock.pending, 0)
})

t.test('saves the latest value, one write at a time', async t => {
  const deps = base()
  const written: number[] = []
  let gate = Promise.withResolvers<void>()
  const saver = createSaver<number>(
    {
      ...deps,
      async write(value) {
        written.push(value)
        await gate.promise
      },
    },
    'numbers',
  )
  saver.save(1)
  saver.save(2)
  saver.save(3)
  gate.resolve()
  await deps.clock.advance(0)
  t.same(written, [1, 3])
  gate = Promise.withResolvers()
  saver.save(4)
  saver.save(5)
  const stopped = saver.stop()
  gate.resolve()
  await stopped
  t.same(written, [1, 3, 4, 5])
})

t.test('reports a full disk and saves when there is room again', async t => {
  const deps = base()
  let full = true
  const written: string[] = []
  const saver = createSaver<string>(
    {
      ...deps,
      async write(value) {
        if (full) throw new Error('no space left')
        written.push(value)
      },
    },
    'certificates',
  )
  t.teardown(() => saver.stop())
  saver.save('a')
  await deps.clock.advance(0)
  t.equal(saver.problem(), 'certificates: no space left')
  saver.save('b')
  full = false
  await deps.clock.advance(300_000)
  t.same(written, ['b'])
  t.equal(saver.problem(), undefined)
})
