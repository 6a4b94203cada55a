import t, { type Test } from 'tap'
import type { RegistrySnapshot } from '../../../../mesh/model/catalogue.ts'
import { type Log, silentLog } from '../../../../mesh/std/log.ts'
import type { AdapterDeps, AdapterHealth } from '../../../../registry-adapters/adapter.ts'
import { defaultPace, guardAdapter } from '../../../../registry-adapters/plugin/guard.ts'
import { createRelay } from '../../../../registry-adapters/plugin/relay.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { service, snapshotOf } from '../../../support/catalogue.ts'

const one = snapshotOf([service('one')], [])
const two = snapshotOf([service('two')], [])
const never = new Promise<never>(() => {})
/** Yields nothing and never ends. */
const silence = { [Symbol.asyncIterator]: () => ({ next: () => never }) }

/** A plugin with this `watch`, guarded and followed; it is handed what the guard gives it. */
function guarded(t: Test, watch: (deps: AdapterDeps, signal: AbortSignal) => unknown) {
  const clock = new FakeClock()
  const health: AdapterHealth[] = []
  const views: RegistrySnapshot[] = []
  const warnings: string[] = []
  const log: Log = { ...silentLog, warn: message => void warnings.push(message) }
  const relay = createRelay({ name: 'zk', clock, random: () => 0.5, log, report: said => void health.push(said) })
  const plugin = { watch: (signal: AbortSignal) => watch(relay.deps, signal) as AsyncIterable<RegistrySnapshot> }
  const adapter = guardAdapter({ name: 'zk', clock, random: () => 0.5, log, report: () => {} }, relay, plugin)
  const controller = new AbortController()
  const state = { ended: false }
  const run = async () => {
    for await (const view of adapter.watch(controller.signal)) views.push(view)
    state.ended = true
  }
  const running = run()
  t.teardown(async () => {
    controller.abort()
    for (let times = 0; times < 5 && !state.ended; times += 1) await clock.advance(defaultPace.endMs)
    await running
  })
  const names = () => views.map(view => [...view.services.keys()].join())
  return { clock, health, views, warnings, controller, state, names }
}

t.test('what a good plugin yields and reports is passed on', async t => {
  const { clock, health, names } = guarded(t, async function* (deps) {
    deps.report({ kind: 'failing', reason: 'not yet' })
    yield one
    deps.report({ kind: 'fresh' })
    deps.report({ kind: 'fresh' })
    yield two
    await never
  })
  await clock.advance(1000)
  t.same(names(), ['default/one', 'default/two'])
  t.same(health, [{ kind: 'failing', reason: 'not yet' }, { kind: 'fresh' }])
})

t.test('a view that says the same is not passed on', async t => {
  const { clock, names } = guarded(t, async function* () {
    yield one
    yield snapshotOf([service('one')], [])
    yield two
    await never
  })
  await clock.advance(1000)
  t.same(names(), ['default/one', 'default/two'])
})

t.test('a view that cannot be used is a failing registry, until one that can', async t => {
  const { clock, health, names } = guarded(t, async function* (deps) {
    yield one
    deps.report({ kind: 'fresh' })
    yield { services: [], workloads: [] }
    deps.report({ kind: 'fresh' })
    yield two
    await never
  })
  await clock.advance(1000)
  t.same(names(), ['default/one', 'default/two'])
  t.match(health, [
    { kind: 'fresh' },
    { kind: 'failing', reason: /yields a view that cannot be used: its services are no table/ },
    { kind: 'fresh' },
  ])
})

t.test('a plugin that throws is reported and started again, less and less often', async t => {
  const starts: number[] = []
  const { clock, health, names } = guarded(t, async function* (deps) {
    starts.push(deps.clock.monotonic())
    if (starts.length === 4) {
      yield one
      await never
    }
    throw new Error('no route to zk')
  })
  await clock.advance(60_000)
  t.match(health, [{ kind: 'failing', reason: 'the adapter failed: no route to zk' }, { kind: 'fresh' }])
  t.same(starts, [0, 500, 1500, 3500])
  t.same(names(), ['default/one'])
})

const broken: Readonly<Record<string, (deps: AdapterDeps) => unknown>> = {
  'throws at once': () => {
    throw new Error('x')
  },
  'throws what cannot be shown': () => {
    throw Object.create(null)
  },
  'returns nothing': () => undefined,
  'returns no iterable': () => ({}),
  'has an iterator without next': () => ({ [Symbol.asyncIterator]: () => ({}) }),
  'answers no results': () => ({ [Symbol.asyncIterator]: () => ({ next: () => 7 }) }),
  'answers results that throw when they are looked at': () => ({
    [Symbol.asyncIterator]: () => ({
      next: async () => ({
        get done() {
          throw new Error('x')
        },
      }),
    }),
  }),
  'ends by itself': () => ({ [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true }) }) }),
  'throws when it is ended': () => ({
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.reject(new Error('x')),
      return() {
        throw new Error('y')
      },
    }),
  }),
}
for (const [what, watch] of Object.entries(broken)) {
  t.test(`a plugin that ${what} is a failing registry and nothing worse`, async t => {
    const { clock, health, views, controller, state } = guarded(t, watch)
    await clock.advance(100_000)
    t.equal(health.length, 1, 'told once')
    t.match(health, [{ kind: 'failing', reason: /the adapter/ }])
    t.equal(views.length, 0)
    controller.abort()
    await clock.advance(0)
    t.ok(state.ended)
    t.equal(clock.pending, 0)
  })
}

t.test('a plugin that yields without end holds nothing up, and is read at its pace', async t => {
  let yielded = 0
  const { clock, names } = guarded(t, async function* () {
    for (;;) {
      yielded += 1
      yield yielded % 2 === 0 ? one : two
    }
  })
  await clock.advance(1000)
  t.equal(yielded, 21, 'once in 50 milliseconds')
  t.equal(names().length, yielded)
})

t.test('a plugin that yields nonsense without end is read less and less often', async t => {
  let yielded = 0
  const { clock, health } = guarded(t, async function* () {
    for (;;) {
      yielded += 1
      yield yielded % 2 === 0 ? {} : undefined
    }
  })
  await clock.advance(60_000)
  t.ok(yielded <= 8, `${yielded} times in a minute`)
  t.ok(health.every(said => said.kind === 'failing'))
})

t.test('a plugin that says nothing at all is reported', async t => {
  const { clock, health } = guarded(t, () => silence)
  await clock.advance(29_999)
  t.same(health, [])
  await clock.advance(1)
  t.same(health, [{ kind: 'failing', reason: 'the adapter has said nothing for 30 seconds' }])
})

t.test('abort ends a watch whose plugin does not heed it, and says so', async t => {
  const { clock, warnings, controller, state, health } = guarded(t, async function* (deps) {
    yield one
    try {
      await never
    } finally {
      deps.report({ kind: 'fresh' })
    }
  })
  await clock.advance(1000)
  controller.abort()
  await clock.advance(defaultPace.endMs - 1)
  t.notOk(state.ended, 'it may take a moment')
  await clock.advance(1)
  t.ok(state.ended)
  t.same(warnings, ['an adapter of a plugin does not end, it is left behind'])
  t.same(health, [])
  t.equal(clock.pending, 0)
})

t.test('abort waits for a plugin that ends in good order', async t => {
  let closed = false
  const { clock, controller, state } = guarded(t, async function* (deps, signal) {
    yield one
    await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()))
    await new Promise<void>(resolve => void deps.clock.timer(500, resolve))
    closed = true
  })
  await clock.advance(1000)
  controller.abort()
  await clock.advance(500)
  t.ok(closed)
  t.ok(state.ended)
  t.equal(clock.pending, 0)
})

t.test('what a timer of the plugin throws ends nothing but the timer', async t => {
  const { clock, health, names } = guarded(t, async function* (deps) {
    deps.clock.timer(100, () => {
      throw new Error('in a timer')
    })
    yield one
    await never
  })
  await clock.advance(1000)
  t.same(names(), ['default/one'])
  t.same(health, [{ kind: 'failing', reason: 'a timer of the adapter failed: in a timer' }])
})

t.test('a report that is none is a mistake of the plugin, not of the server', async t => {
  const { clock, health } = guarded(t, deps => {
    for (const said of [undefined, 'fresh', { kind: 'good' }, { kind: 'failing' }]) deps.report(said as AdapterHealth)
    return silence
  })
  await clock.advance(1000)
  t.same(health, [{ kind: 'failing', reason: 'the adapter reports a health that is none' }])
})
