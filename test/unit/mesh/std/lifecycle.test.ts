import t from 'tap'
import { Started } from '../../../../mesh/std/lifecycle.ts'

t.test('stops in reverse order, each part once', async t => {
  const started = new Started()
  const stopped: string[] = []
  for (const part of ['store', 'catalogue', 'api']) started.add(async () => void stopped.push(part))
  await started.stop()
  await started.stop()
  t.strictSame(stopped, ['api', 'catalogue', 'store'])
})

t.test('a part that does not stop keeps no other running, and is told at the end', async t => {
  const started = new Started()
  const stopped: string[] = []
  started.add(() => stopped.push('first'))
  started.add(() => {
    throw new Error('stuck')
  })
  started.add(() => stopped.push('last'))
  await t.rejects(started.stop(), { message: 'stuck' })
  t.strictSame(stopped, ['last', 'first'])
})
