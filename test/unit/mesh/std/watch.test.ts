import t from 'tap'
import { Watch } from '../../../../mesh/std/watch.ts'
import { until } from '../../../support/eventually.ts'

t.test('tells listeners of each change, and not of the same value again', async t => {
  const watch = new Watch(1)
  const seen: number[] = []
  const unsubscribe = watch.subscribe(value => seen.push(value))
  for (const value of [1, 2, 2, 3]) watch.set(value)
  unsubscribe()
  watch.set(4)
  t.strictSame(seen, [2, 3])
  t.equal(watch.value, 4)
})

t.test('a listener may leave while it is being told', async t => {
  const watch = new Watch(1)
  const seen: string[] = []
  const leave = watch.subscribe(() => {
    seen.push('first')
    leave()
  })
  watch.subscribe(() => seen.push('second'))
  watch.set(2)
  watch.set(3)
  t.strictSame(seen, ['first', 'second', 'second'])
})

t.test('changes begin with the current value and skip what a slow reader missed', async t => {
  const watch = new Watch(1)
  const stop = new AbortController()
  const seen: number[] = []
  const reading = (async () => {
    for await (const value of watch.changes(stop.signal)) {
      seen.push(value)
      // Two changes while the reader is busy with the first value.
      if (value === 1) for (const next of [2, 3]) watch.set(next)
    }
  })()
  await until('the newest value was read', () => seen.at(-1) === 3)
  stop.abort()
  await reading
  t.strictSame(seen, [1, 3])
})

t.test('changes end when the signal aborts, also while nothing happens', async t => {
  const stop = new AbortController()
  const changes = new Watch(1).changes(stop.signal)
  await changes.next()
  const waiting = changes.next()
  stop.abort()
  t.strictSame(await waiting, { value: undefined, done: true })
})
