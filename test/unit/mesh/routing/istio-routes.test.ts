import t from 'tap'
import { isListed, listedRoutes, needlessNames } from '../../../support/differences.ts'
import {
  type RouteCase,
  rejectedRouteSets,
  routeDifferences,
  sidecarRouteCases,
} from '../../../support/istio-routes.ts'
import { evaluateRouteCase } from '../../../support/istio-routes-evaluator.ts'
import { refusalsOf, routingOfSet } from '../../../support/istio-routes-world.ts'

/** What the wire and the data plane say themselves, whatever a rule says. */
const ignoredHeaders = new Set(['connection', 'content-length', 'server', 'transfer-encoding', 'x-request-id'])

/** What differs, by case; a set that our check refuses differs in all of its cases. */
function wrongCases(cases: readonly RouteCase[]): Map<string, readonly string[]> {
  const wrong = new Map<string, readonly string[]>()
  for (const set of Map.groupBy(cases, kase => kase.set).values()) {
    const [first] = set
    if (first === undefined) continue
    const refusals = refusalsOf(first.resources)
    const routing = routingOfSet(first)
    for (const kase of set) {
      const found =
        refusals.length > 0
          ? refusals
          : routeDifferences(kase, evaluateRouteCase(kase, routing(kase.client)), { ignoredHeaders })
      if (found.length > 0) wrong.set(kase.id, found)
    }
  }
  return wrong
}

t.test('requests are matched, shaped and answered as recorded of Istio, or it is said where not', async t => {
  const cases = sidecarRouteCases()
  const wrong = wrongCases(cases)
  const share = ((100 * (cases.length - wrong.size)) / cases.length).toFixed(2)
  t.comment(`routes: ${cases.length - wrong.size} of ${cases.length} agree, ${share} %`)
  t.equal(cases.length, 2100)
  const listed = listedRoutes().decided
  for (const [id, found] of wrong) {
    if (!isListed(id, listed)) t.fail(`${id}: ${found.join('; ')}`)
  }
  const known = listed.filter(name => cases.some(({ id, set }) => id === name || set === name))
  t.same(needlessNames(known, [...wrong.keys()]), [], 'what is listed does differ')
})

t.test('sets of resources that Istio refuses are refused, or it is said where not', async t => {
  const sets = rejectedRouteSets().filter(({ reason }) => reason === 'rejected')
  const taken = sets.filter(({ resources }) => refusalsOf(resources).length === 0).map(({ set }) => set)
  t.comment(`rejected routes: ${sets.length - taken.length} of ${sets.length} are refused`)
  const listed = listedRoutes().decided
  t.same(
    taken,
    listed.filter(name => sets.some(({ set }) => set === name)),
  )
})
