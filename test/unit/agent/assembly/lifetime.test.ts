import assert from 'node:assert/strict'
import t from 'tap'
import { createLifetime } from '../../../../agent/assembly/lifetime.ts'
import { MeshError } from '../../../../mesh/std/errors.ts'
import { eventually } from '../../../support/eventually.ts'
import { recordedLog } from '../../../support/recorded-log.ts'

/** A lifetime of two parts, and what happened to them in order. */
function start() {
  const log = recordedLog()
  const lifetime = createLifetime(log, 700)
  const done: string[] = []
  lifetime.started.add(() => done.push('first stopped'))
  lifetime.started.add(() => done.push('second stopped'))
  const leave = async (drainMs: number) => void done.push(`left within ${drainMs}`)
  return { lifetime, done, log, leave }
}

const failed = new MeshError('WEFT_AGENT_FAILED', 'a data thread ended by itself')

t.test('leaves first, then stops what was started last', async t => {
  const { lifetime, done, leave } = start()
  lifetime.complete(leave)
  t.equal(lifetime.isEnding(), false)
  const stopped = lifetime.stop()
  t.equal(lifetime.isEnding(), true)
  await Promise.all([stopped, lifetime.stop()])
  t.same(done, ['left within 700', 'second stopped', 'first stopped'])
  t.equal(await lifetime.ended, undefined)
})

t.test('a stop that comes while parts are being started waits for them, and stops them too', async t => {
  const { lifetime, done, leave } = start()
  const stopped = lifetime.stop()
  t.equal(lifetime.isEnding(), true)
  await Promise.resolve()
  t.same(done, [])
  lifetime.started.add(() => done.push('third stopped'))
  lifetime.complete(leave)
  await stopped
  t.same(done, ['left within 700', 'third stopped', 'second stopped', 'first stopped'])
  t.equal(await lifetime.ended, undefined)
})

t.test('what fails while parts are being started is why they cannot', async t => {
  const { lifetime, done, leave } = start()
  lifetime.fail(failed)
  t.equal(lifetime.isEnding(), true)
  lifetime.started.add(() => done.push('third stopped'))
  t.throws(() => lifetime.complete(leave), failed)
  t.equal(await lifetime.abandon(new Error('a consequence of it')), failed)
  t.same(done, ['third stopped', 'second stopped', 'first stopped'])
})

t.test('whoever asked for the end of what then cannot start has it', async t => {
  const { lifetime, done } = start()
  const stopped = lifetime.stop()
  const reason = new Error('the port is taken')
  t.equal(await lifetime.abandon(reason), reason)
  await stopped
  t.same(done, ['second stopped', 'first stopped'])
})

t.test('a failure ends everything without leaving, and is what it ended with', async t => {
  const { lifetime, done, leave, log } = start()
  lifetime.complete(leave)
  lifetime.fail(failed)
  t.equal(await lifetime.ended, failed)
  t.same(done, ['second stopped', 'first stopped'])
  t.match(log.lines[0], { level: 'error', message: 'the agent cannot go on', fields: { code: 'WEFT_AGENT_FAILED' } })
})

t.test('has ended although a part could not be stopped, which who waits is told and else the log', async t => {
  const cannot = () => {
    throw new Error('busy')
  }
  const waited = start()
  waited.lifetime.started.add(cannot)
  waited.lifetime.complete(waited.leave)
  await t.rejects(waited.lifetime.stop(), { message: 'busy' })
  t.equal(await waited.lifetime.ended, undefined)

  const { lifetime, done, leave, log } = start()
  lifetime.started.add(cannot)
  lifetime.complete(leave)
  lifetime.drain()
  t.equal(await lifetime.ended, undefined)
  t.same(done, ['left within 700', 'second stopped', 'first stopped'])
  await eventually(() => assert.equal(log.lines.at(-1)?.message, 'stopping failed'))
  t.match(log.lines.at(-1), { level: 'error', fields: { error: /busy/ } })
})
