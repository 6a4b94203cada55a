import t from 'tap'
import { createSlots } from '../../../../server/policy/slots.ts'
import { until } from '../../../support/eventually.ts'

const never = new AbortController().signal

t.test('lets so many run at once, the others in their order', async t => {
  const slots = createSlots(2)
  const running: string[] = []
  const ends = new Map<string, () => void>()
  const start = (name: string) =>
    slots.run(() => {
      running.push(name)
      return new Promise<string>(resolve => ends.set(name, () => resolve(name)))
    }, never)
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(start)
  await until('two run', () => running.length === 2)
  ends.get('b')?.()
  t.equal(await b, 'b')
  await until('the next one runs', () => running.length === 3)
  t.same(running, ['a', 'b', 'c'])
  ends.get('a')?.()
  await until('the last one runs', () => running.length === 4)
  ends.get('c')?.()
  ends.get('d')?.()
  t.same(await Promise.all([a, c, d]), ['a', 'c', 'd'])
})

t.test('who gives up waiting takes no room, and a failure gives its room back', async t => {
  const slots = createSlots(1)
  const ended = new AbortController()
  let end = () => {}
  const first = slots.run(() => new Promise<void>(resolve => (end = resolve)), never)
  const second = slots.run(async () => 'never', ended.signal)
  const third = slots.run(async () => 'third', never)
  ended.abort()
  t.equal(await second, undefined)
  end()
  await first
  t.equal(await third, 'third')
  await t.rejects(
    slots.run(async () => {
      throw new Error('failed')
    }, never),
    { message: 'failed' },
  )
  t.equal(await slots.run(async () => 'next', never), 'next')
  t.equal(await slots.run(async () => 'never', AbortSignal.abort()), undefined)
})
