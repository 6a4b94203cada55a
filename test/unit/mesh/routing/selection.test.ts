import t from 'tap'
import type { Route } from '../../../../mesh/routing/route.ts'
import { createRouting } from '../../../../mesh/routing/routing.ts'
import { differences, sectionOf } from '../../../support/differences.ts'
import { type RecordedRoutes, type SelectionCase, selectionCases } from '../../../support/istio-recordings.ts'
import { recordedWorld } from '../../../support/istio-world.ts'

type RoutesCase = Extract<SelectionCase, { type: 'virtualService' | 'gatewayVirtualService' }>

function isFor(type: RoutesCase['type']): (entry: SelectionCase) => entry is RoutesCase {
  return (entry): entry is RoutesCase => entry.type === type
}

/** Our answer in the recording's words. */
function answer(entry: RoutesCase): RecordedRoutes {
  const routing = createRouting(recordedWorld(entry))
  const { name, routes } = routing.httpPort(entry.client, entry.port).find(entry.authority)
  const of = (route: Route) => /^VirtualService (\S+)/.exec(route.rule)?.[1] ?? null
  return {
    virtualHost: name,
    virtualServices: [...new Set(routes.map(of))].filter(source => source !== null),
    routes: routes.map(route => ({
      cluster: route.action.kind === 'forward' ? (route.action.destinations[0]?.cluster ?? '') : '',
      name: route.name,
      virtualService: of(route),
    })),
  }
}

function canonical({ virtualHost, virtualServices, routes }: RecordedRoutes): string {
  const lines = routes.map(({ cluster, name, virtualService }) => [cluster, name, virtualService])
  return JSON.stringify([virtualHost, virtualServices, lines])
}

t.test('the virtual host of an authority, and whose rules it has, are as recorded of Istio', async t => {
  const cases = selectionCases().filter(isFor('virtualService'))
  const wrong = cases.filter(entry => canonical(answer(entry)) !== canonical(entry.result))
  t.comment(`selection, virtualService: ${cases.length - wrong.length} of ${cases.length} agree`)
  t.equal(cases.length, 364)
  const ids = new Set(cases.map(({ id }) => id))
  t.same(
    wrong.map(({ id }) => id).toSorted(),
    differences('Selection', 'sel').filter(id => ids.has(id)),
  )
})

t.test('gateways are named as missing, with the number of their cases', async t => {
  const cases = selectionCases().filter(isFor('gatewayVirtualService'))
  t.match(sectionOf('Selection'), `\`gatewayVirtualService\` (${cases.length} cases)`)
})

t.test('every case that is named as decided otherwise is recorded', async t => {
  const ids = new Set(selectionCases().map(({ id }) => id))
  t.same(
    differences('Selection', 'sel').filter(id => !ids.has(id)),
    [],
  )
})
