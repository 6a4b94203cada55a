import t from 'tap'
import { createDestinationRules } from '../../../../mesh/routing/destination-rules.ts'
import { createRouting } from '../../../../mesh/routing/routing.ts'
import { trafficPolicy } from '../../../../mesh/routing/traffic-policy.ts'
import type { RoutingWorld } from '../../../../mesh/routing/world.ts'
import { differences } from '../../../support/differences.ts'
import { type SelectionCase, selectionCases } from '../../../support/istio-recordings.ts'
import { recordedWorld } from '../../../support/istio-world.ts'

type RuleCase = Extract<SelectionCase, { type: 'destinationRule' }>

function isRuleCase(entry: SelectionCase): entry is RuleCase {
  return entry.type === 'destinationRule'
}

function isVisible(world: RoutingWorld, { client, host }: RuleCase): boolean {
  const cluster = `outbound|80||${host}`
  return createRouting(world).cluster(client, { host, port: 80, subset: '', cluster, weight: 0 }).exists
}

/** Our answer in the recording's words. */
function answer(entry: RuleCase): unknown {
  const world = recordedWorld(entry)
  const service = world.services.find(({ hosts }) => hosts.includes(entry.host))
  const serviceVisible = service !== undefined && isVisible(world, entry)
  const rules = createDestinationRules(world.traffic.destinationRules, entry.rootNamespace, world.domain)
  const target = { names: [entry.host], namespace: service?.namespace ?? '' }
  const rule = serviceVisible ? rules.outbound(entry.client, target) : undefined
  if (service === undefined || rule === undefined) return { from: [], serviceVisible }
  const subsets = rule.subsets.map(({ name }) => name)
  const policy = service.ports.map(({ port }) => [
    port,
    Object.fromEntries(['', ...subsets].map(subset => [subset, trafficPolicy(rule, port, subset) ?? null])),
  ])
  return { from: rule.from, host: rule.host, serviceVisible, subsets, policy: Object.fromEntries(policy) }
}

t.test('the rule that holds, what it was merged from, and its policies are as recorded of Istio', async t => {
  const cases = selectionCases().filter(isRuleCase)
  const wrong = cases.filter(entry => canonical(answer(entry)) !== canonical(entry.result))
  t.comment(`selection, destinationRule: ${cases.length - wrong.length} of ${cases.length} agree`)
  t.equal(cases.length, 307)
  const ids = new Set(cases.map(({ id }) => id))
  t.same(
    wrong.map(({ id }) => id).toSorted(),
    differences('Selection', 'sel').filter(id => ids.has(id)),
  )
})

/** JSON with sorted keys; like the recording it leaves out enums that have their first value. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner
    const said = Object.entries(inner).filter(([, text]) => text !== 'DISABLE' && text !== 'V1')
    return Object.fromEntries(said.toSorted(([a], [b]) => (a < b ? -1 : 1)))
  })
}
