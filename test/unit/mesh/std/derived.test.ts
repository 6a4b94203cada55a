import t from 'tap'
import { derived } from '../../../../mesh/std/derived.ts'
import { Watch } from '../../../../mesh/std/watch.ts'

t.test('follows all its sources until it is stopped', async t => {
  const [a, b] = [new Watch(1), new Watch('x')]
  const { watch, stop } = derived([a, b], () => `${a.value}${b.value}`)
  const seen: string[] = []
  watch.subscribe(value => seen.push(value))
  a.set(2)
  b.set('y')
  t.same(seen, ['2x', '2y'])
  stop()
  a.set(3)
  t.equal(watch.value, '2y')
})

t.test('a source that changes without effect is no change', async t => {
  const source = new Watch(1)
  const { watch, stop } = derived([source], () => source.value > 0)
  t.teardown(stop)
  watch.subscribe(() => t.fail('nothing changed'))
  source.set(2)
  t.equal(watch.value, true)
})
