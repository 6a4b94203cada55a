import t from 'tap'
import type { ClusterEndpoint } from '../../../../../agent/dataplane/upstream/endpoint.ts'
import { type EjectionEvent, OutlierDetector, statusOfGrpc } from '../../../../../agent/dataplane/upstream/outlier.ts'
import type { OutlierSettings } from '../../../../../mesh/routing/cluster.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { clusterEndpoints, outlierSettings } from '../../../../support/cluster.ts'

function detector(settings: Partial<OutlierSettings> = {}, count = 10) {
  const clock = new FakeClock()
  const events: EjectionEvent[] = []
  const outliers = new OutlierDetector(outlierSettings(settings), { clock, observe: event => events.push(event) })
  const endpoints = clusterEndpoints(count)
  for (const { state } of endpoints) state.isMember = true
  outliers.update(endpoints)
  const [bad, other] = endpoints
  if (bad === undefined) throw new Error('no endpoint')
  return { clock, events, outliers, endpoints, bad, other: other ?? bad }
}

const answer = (outliers: OutlierDetector, endpoint: ClusterEndpoint, ...statuses: number[]) => {
  for (const status of statuses) outliers.answered(endpoint, status)
}
const isEjected = (endpoint: ClusterEndpoint) => endpoint.state.ejectedAt !== undefined
const times = (count: number, status: number) => new Array<number>(count).fill(status)

t.test('ejects an endpoint after so many 5xx in a row, and not before', async t => {
  const { outliers, bad, events } = detector()
  answer(outliers, bad, 500, 501, 599, 503)
  answer(outliers, bad, 404)
  answer(outliers, bad, 500, 501, 599, 503)
  t.notOk(isEjected(bad), 'an answer that is no 5xx starts the count anew')
  answer(outliers, bad, 500)
  t.ok(isEjected(bad))
  t.strictSame(events, [{ kind: 'ejected', endpoint: bad, cause: 'consecutive-5xx', forMs: 30_000 }])
  t.equal(outliers.ejectionsActive, 1)
  t.equal(outliers.ejections['consecutive-5xx'], 1)
})

t.test('ejects after so many gateway errors in a row, which other 5xx interrupt', async t => {
  const { outliers, bad } = detector({ consecutiveGatewayErrors: 3, consecutive5xx: 0 })
  answer(outliers, bad, 502, 503, 500, 504, 502, ...times(20, 500), 503, 504)
  t.notOk(isEjected(bad))
  answer(outliers, bad, 502)
  t.ok(isEjected(bad))
  t.equal(outliers.ejections['consecutive-gateway-error'], 1)
})

t.test('where statuses are named, answers with these are failures and no others are', async t => {
  const { outliers, bad, other } = detector({ errorStatuses: [429, 503], consecutive5xx: 3, maxEjectionPercent: 100 })
  answer(outliers, bad, 429, 503, 500, 429, 503)
  t.notOk(isEjected(bad), 'a 500 is a good answer then')
  answer(outliers, bad, 429)
  t.equal(outliers.ejections['consecutive-5xx'], 1)
  for (const outcome of ['connect-failure', 'timeout', 'reset'] as const) outliers.report(other, outcome)
  t.ok(isEjected(other), 'failures on this side have no status and count as before')
})

t.test('of the statuses that are named, gateway errors count as such', async t => {
  const { outliers, bad } = detector({ errorStatuses: [401, 502], consecutive5xx: 0, consecutiveGatewayErrors: 2 })
  answer(outliers, bad, 502, 401, 502, 504, 502)
  t.notOk(isEjected(bad))
  answer(outliers, bad, 502)
  t.ok(isEjected(bad))
})

t.test('a count of 0 never ejects', async t => {
  const { outliers, bad } = detector({ consecutive5xx: 0 })
  answer(outliers, bad, ...times(1000, 503))
  t.notOk(isEjected(bad))
})

t.test('failures on this side count as 503 and time-outs as 504, unless they are split off', async t => {
  const { outliers, bad, other } = detector({ consecutiveGatewayErrors: 3, maxEjectionPercent: 100 })
  outliers.report(bad, 'connect-failure')
  outliers.report(bad, 'timeout')
  outliers.report(bad, 'connected')
  t.notOk(isEjected(bad))
  outliers.report(bad, 'reset')
  t.ok(isEjected(bad), 'a connection alone is no answer')
  outliers.report(other, 'connect-failure')
  outliers.report(other, 'connect-failure')
  outliers.report(other, 'tcp-connected')
  outliers.report(other, 'connect-failure')
  t.notOk(isEjected(other), 'for TCP it is')
})

t.test('split off, failures on this side have a count of their own', async t => {
  const { outliers, bad, other } = detector({ splitLocalOrigin: true, maxEjectionPercent: 100, consecutive5xx: 2 })
  for (const outcome of ['connect-failure', 'timeout', 'reset', 'connect-failure'] as const)
    outliers.report(bad, outcome)
  t.notOk(isEjected(bad))
  outliers.report(bad, 'reset')
  t.ok(isEjected(bad))
  t.equal(outliers.ejections['consecutive-local-origin-failure'], 1)
  for (const reached of ['connected', 'tcp-connected'] as const) {
    for (let failure = 0; failure < 4; failure += 1) outliers.report(other, 'timeout')
    outliers.report(other, reached)
  }
  for (let failure = 0; failure < 4; failure += 1) outliers.report(other, 'timeout')
  answer(outliers, other, 500)
  t.notOk(isEjected(other), 'whoever answers was reached')
  outliers.report(other, 'timeout')
  answer(outliers, other, 500)
  t.ok(isEjected(other))
})

t.test('an endpoint comes back at the first sweep after its time, with its counts at 0', async t => {
  const { clock, outliers, bad, events } = detector({ baseEjectionMs: 25_000 })
  answer(outliers, bad, ...times(5, 500))
  answer(outliers, bad, ...times(4, 500))
  await clock.advance(29_999)
  t.ok(isEjected(bad), 'sweeps are made every 10 s')
  await clock.advance(1)
  t.notOk(isEjected(bad))
  t.equal(outliers.ejectionsActive, 0)
  t.strictSame(events.at(-1), { kind: 'returned', endpoint: bad })
  answer(outliers, bad, ...times(4, 500))
  t.notOk(isEjected(bad))
})

t.test(
  'each ejection in a row is longer by the base time, up to the maximum, and shorter again after good times',
  async t => {
    const { clock, outliers, bad, events } = detector({ maxEjectionMs: 75_000 })
    const ejectionTimes = () => events.flatMap(event => (event.kind === 'ejected' ? [event.forMs] : []))
    for (let round = 0; round < 5; round += 1) {
      answer(outliers, bad, ...times(5, 500))
      t.ok(isEjected(bad))
      await clock.advance(Math.min(30_000 * (round + 1), 80_000))
      t.notOk(isEjected(bad), `round ${round}`)
    }
    t.strictSame(ejectionTimes(), [30_000, 60_000, 75_000, 75_000, 75_000])
    await clock.advance(30_000)
    answer(outliers, bad, ...times(5, 500))
    t.equal(ejectionTimes().at(-1), 60_000, 'three good intervals took three off the multiplier')
  },
)

t.test('failures on this side that are counted while an endpoint is out are forgotten too', async t => {
  const { clock, outliers, bad } = detector({ splitLocalOrigin: true })
  for (let failure = 0; failure < 9; failure += 1) outliers.report(bad, 'timeout')
  await clock.advance(30_000)
  for (let failure = 0; failure < 4; failure += 1) outliers.report(bad, 'timeout')
  t.notOk(isEjected(bad))
  outliers.report(bad, 'timeout')
  t.ok(isEjected(bad))
})

t.test('sweeps are made only while they can change something', async t => {
  const { clock, outliers, bad } = detector()
  t.equal(clock.pending, 0)
  answer(outliers, bad, ...times(4, 500))
  t.equal(clock.pending, 0)
  answer(outliers, bad, 500)
  t.equal(clock.pending, 1)
  await clock.advance(30_000)
  t.equal(clock.pending, 1, 'the multiplier is still to shrink')
  await clock.advance(10_000)
  t.equal(bad.state.ejectionMultiplier, 0)
  t.equal(clock.pending, 0)
})

t.test('ejects no more than the given share of endpoints, and counts what it would have', async t => {
  const { outliers, endpoints } = detector({ maxEjectionPercent: 35 })
  for (const endpoint of endpoints) answer(outliers, endpoint, ...times(5, 500))
  t.strictSame(endpoints.filter(isEjected), endpoints.slice(0, 3))
  t.equal(outliers.overflows, 7)
})

t.test('one endpoint may always be ejected, whatever its share', async t => {
  const { outliers, endpoints } = detector({ maxEjectionPercent: 1 }, 2)
  for (const endpoint of endpoints) answer(outliers, endpoint, ...times(5, 500))
  t.equal(endpoints.filter(isEjected).length, 1)
})

t.test('an endpoint that may not be ejected is judged afresh', async t => {
  const { clock, outliers, bad, other } = detector({ maxEjectionPercent: 1 }, 2)
  answer(outliers, bad, ...times(5, 500))
  answer(outliers, other, ...times(5, 500))
  await clock.advance(30_000)
  answer(outliers, other, ...times(4, 500))
  t.notOk(isEjected(other))
  answer(outliers, other, 500)
  t.ok(isEjected(other))
})

t.test('answers of endpoints that have left or are out already eject nothing', async t => {
  const { outliers, endpoints, bad, other } = detector()
  answer(outliers, bad, ...times(50, 500))
  t.equal(outliers.ejections['consecutive-5xx'], 1)
  other.state.isMember = false
  outliers.update(endpoints.filter(endpoint => endpoint !== other))
  answer(outliers, other, ...times(5, 500))
  t.notOk(isEjected(other))
})

t.test('an ejected endpoint that leaves counts no more, and one that comes with a new table still does', async t => {
  const { clock, outliers, endpoints, bad } = detector()
  answer(outliers, bad, ...times(5, 500))
  outliers.update(endpoints.slice(1))
  t.equal(outliers.ejectionsActive, 0)
  const copy = { ...bad }
  outliers.update([copy, ...endpoints.slice(1)])
  t.equal(outliers.ejectionsActive, 1)
  await clock.advance(30_000)
  t.notOk(isEjected(copy))
  t.equal(outliers.ejectionsActive, 0)
})

t.test('without settings all come back, and nothing is counted', async t => {
  const { clock, outliers, bad } = detector()
  answer(outliers, bad, ...times(5, 500))
  outliers.configure(undefined)
  t.notOk(isEjected(bad))
  t.equal(outliers.ejectionsActive, 0)
  t.equal(clock.pending, 0)
  answer(outliers, bad, ...times(50, 500))
  t.notOk(isEjected(bad))
})

t.test('the statuses of gRPC count as the HTTP statuses that say as much', async t => {
  t.strictSame(
    [0, 1, 2, 4, 5, 8, 12, 13, 14, 15, 16].map(statusOfGrpc),
    [200, 499, 500, 504, 404, 429, 501, 500, 503, 500, 401],
  )
  t.strictSame([17, -1, 1.5, Number.NaN].map(statusOfGrpc), [500, 500, 500, 500])
})
