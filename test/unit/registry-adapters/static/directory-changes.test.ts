import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createDirectoryChanges } from '../../../../registry-adapters/static/directory-changes.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { eventually } from '../../../support/eventually.ts'

const debounce = { debounceMs: 100, debounceCapMs: 1_000 }

async function setup(t: Test) {
  const directory = await mkdtemp(join(tmpdir(), 'weft-changes-'))
  const clock = new FakeClock()
  const changes = createDirectoryChanges(clock, debounce)
  t.teardown(async () => {
    changes.stop()
    await rm(directory, { recursive: true, force: true })
  })
  /** Waits for the next change; `done` says whether it has come. */
  const next = (atMostMs: number, signal = new AbortController().signal) => {
    const waiting = { done: false }
    void changes.next(atMostMs, signal).then(() => {
      waiting.done = true
    })
    return waiting
  }
  return { directory, clock, changes, next }
}

t.test('without a change the wait is as long as asked for', async t => {
  const { clock, next } = await setup(t)
  const waiting = next(5_000)
  await clock.advance(4_999)
  t.notOk(waiting.done)
  await clock.advance(1)
  t.ok(waiting.done)
  t.equal(clock.pending, 0)
})

t.test('a change is told once it has been quiet', async t => {
  const { directory, clock, changes, next } = await setup(t)
  t.ok(changes.follow(new Map([[directory, 'one']])))
  t.notOk(changes.follow(new Map([[directory, 'one']])), 'what is followed is not followed again')
  t.ok(changes.follow(new Map([[directory, 'two']])), 'another one of the same name is')
  const waiting = next(60_000)
  await writeFile(join(directory, 'a.yaml'), 'x')
  // the notice has come when the quiet time is what is waited for
  await eventually(async () => {
    await clock.advance(0)
    if (clock.pending !== 1) throw new Error('not waiting')
    await clock.advance(100)
    if (!waiting.done) throw new Error('not told yet')
  })
  t.ok(clock.monotonic() < 60_000, 'the notice ended the wait, not the time')
})

t.test('a change between two waits is not lost', async t => {
  const { directory, clock, changes, next } = await setup(t)
  changes.follow(new Map([[directory, 'one']]))
  await writeFile(join(directory, 'a.yaml'), 'x')
  await eventually(async () => {
    const waiting = next(60_000)
    await clock.advance(100)
    if (!waiting.done) throw new Error('not told yet')
  })
  t.pass()
})

t.test('abort ends the wait and its timer at once', async t => {
  const { clock, next } = await setup(t)
  const controller = new AbortController()
  const waiting = next(5_000, controller.signal)
  await clock.advance(0)
  controller.abort()
  await clock.advance(0)
  t.ok(waiting.done)
  t.equal(clock.pending, 0)
})

t.test('a directory that cannot be followed leaves the reading at intervals', async t => {
  const clock = new FakeClock()
  const changes = createDirectoryChanges(clock, debounce)
  t.teardown(() => changes.stop())
  t.notOk(changes.follow(new Map([['/nonexistent/weft', 'one']])))
})

t.test('of several directories each tells, and one that is followed no more does not', async t => {
  const { directory, clock, changes, next } = await setup(t)
  const [one, two] = [join(directory, 'one'), join(directory, 'two')]
  for (const path of [one, two]) await mkdir(path)
  t.ok(
    changes.follow(
      new Map([
        [one, '1'],
        [two, '2'],
      ]),
    ),
  )
  const told = async (path: string) => {
    const waiting = next(60_000)
    await writeFile(path, 'x')
    await eventually(async () => {
      await clock.advance(0)
      if (clock.pending !== 1) throw new Error('not waiting')
      await clock.advance(100)
      if (!waiting.done) throw new Error('not told yet')
    })
  }
  await told(join(one, 'a.yaml'))
  await told(join(two, 'a.yaml'))
  t.notOk(changes.follow(new Map([[two, '2']])), 'following fewer is nothing new')
  const waiting = next(60_000)
  await writeFile(join(one, 'b.yaml'), 'x')
  await writeFile(join(two, 'b.yaml'), 'x')
  await eventually(async () => {
    await clock.advance(100)
    if (!waiting.done) throw new Error('not told yet')
  })
  t.ok(clock.monotonic() < 60_000)
})
