import t from 'tap'
import { chooseDestination, faultOf, mirrorsOf, timeoutOf } from '../../../../mesh/routing/decide.ts'
import type { Route } from '../../../../mesh/routing/route.ts'
import { headOf, routeOf } from '../../../support/compiled-routes.ts'

/** How often each subset is chosen when all draws come up equally often. */
function shares(route: Route, draws = 1000): Record<string, number> {
  const { action } = route
  if (action.kind !== 'forward') throw new Error('the rule does not forward')
  const counts: Record<string, number> = {}
  for (let draw = 0; draw < draws; draw += 1) {
    const { subset } = chooseDestination(action, () => draw / draws)
    counts[subset] = (counts[subset] ?? 0) + 1
  }
  return counts
}

const weighted = (...weights: number[]) =>
  routeOf({
    route: weights.map((weight, index) => ({ destination: { host: 'cart', subset: `v${index + 1}` }, weight })),
  })

t.test('destinations are drawn as their weights say, of whatever sum', async t => {
  t.same(shares(weighted(30, 30, 40)), { v1: 300, v2: 300, v3: 400 })
  t.same(shares(weighted(1, 3)), { v1: 250, v2: 750 })
  t.same(shares(weighted(0, 5, 0)), { v2: 1000 })
  t.same(shares(weighted(0)), { v1: 1000 }, 'the only one takes all')
})

t.test('without a choice nothing is drawn', async t => {
  const { action } = weighted(100)
  if (action.kind !== 'forward') throw new Error('the rule does not forward')
  const never = () => {
    throw new Error('drawn')
  }
  t.equal(chooseDestination(action, never).subset, 'v1')
})

t.test('faults befall their share of requests, none without a percentage', async t => {
  const abort = (percentage?: { value: number }) => routeOf({ fault: { abort: { httpStatus: 503, percentage } } })
  const expected = { delayMs: 0, abort: { kind: 'http', status: 503 } }
  t.equal(
    faultOf(routeOf({}), () => 0),
    undefined,
  )
  t.equal(
    faultOf(abort(), () => 0),
    undefined,
  )
  t.equal(
    faultOf(abort({ value: 0 }), () => 0),
    undefined,
  )
  t.same(
    faultOf(abort({ value: 25 }), () => 0.249),
    expected,
  )
  t.equal(
    faultOf(abort({ value: 25 }), () => 0.25),
    undefined,
  )
  t.same(
    faultOf(abort({ value: 100 }), () => 0.999),
    expected,
  )
  const both = { delay: { fixedDelay: '1.5s', percentage: { value: 100 } }, abort: { grpcStatus: 'UNAVAILABLE' } }
  t.same(
    faultOf(routeOf({ fault: both }), () => 0),
    { delayMs: 1500, abort: undefined },
  )
  const delayed = (delay: object, drawn: number) =>
    faultOf(routeOf({ fault: { delay: { fixedDelay: '1s', ...delay } } }), () => drawn)?.delayMs
  t.equal(delayed({ percent: 25 }, 0.249), 1000, 'the old form of a percentage')
  t.equal(delayed({ percent: 25 }, 0.25), undefined)
  t.equal(delayed({ percent: 101 }, 0.999), 1000)
  t.equal(delayed({ percent: 25, percentage: {} }, 0), undefined, 'the new form counts')
  const grpc = { abort: { grpcStatus: 'UNAVAILABLE', percentage: { value: 100 } } }
  t.same(faultOf(routeOf({ fault: grpc }), () => 0)?.abort, { kind: 'grpc', status: 14 })
})

t.test('mirrors get their share, all without a percentage', async t => {
  const mirror = { host: 'shadow' }
  const hosts = (route: Route, draw: number) => mirrorsOf(route, () => draw).map(({ host }) => host)
  t.same(hosts(routeOf({}), 0), [])
  t.same(hosts(routeOf({ mirror }), 0.999), ['shadow.shop.mesh'])
  t.same(hosts(routeOf({ mirror, mirrorPercentage: { value: 0 } }), 0), [])
  t.same(hosts(routeOf({ mirror, mirrorPercent: 50 }), 0.6), [])
  const mirrors = [{ destination: { host: 'a' } }, { destination: { host: 'b' }, percentage: { value: 10 } }]
  t.same(hosts(routeOf({ mirrors }), 0.05), ['a.shop.mesh', 'b.shop.mesh'])
  t.same(hosts(routeOf({ mirrors }), 0.1), ['a.shop.mesh'])
})

t.test('the shorter of the route’s and a gRPC client’s time counts', async t => {
  const asked = (timeout: string | undefined, ...fields: string[]) =>
    timeoutOf(routeOf({ timeout }), headOf('/', ...fields))
  const grpc = ['content-type', 'application/grpc+proto']
  t.equal(asked(undefined), undefined)
  t.equal(asked('2s'), 2000)
  t.equal(asked('2s', 'grpc-timeout', '1S'), 2000, 'not a gRPC request')
  t.equal(asked('2s', ...grpc), 2000)
  t.equal(asked('2s', ...grpc, 'grpc-timeout', '1S'), 1000)
  t.equal(asked('2s', ...grpc, 'grpc-timeout', '1M'), 2000)
  t.equal(asked(undefined, ...grpc, 'grpc-timeout', '250m'), 250)
  t.equal(asked(undefined, ...grpc, 'grpc-timeout', '1500u'), 2)
  t.equal(asked('2s', ...grpc, 'grpc-timeout', '0m'), 2000)
  t.equal(asked('2s', ...grpc, 'grpc-timeout', 'soon'), 2000)
})
