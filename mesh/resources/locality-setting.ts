import { z } from 'zod'
import { refuseKey } from './primitives.ts'
import { uint32, wrapped } from './traffic-values.ts'

/** Labels that stand for parts of a locality. */
const localityLabels = new Set([
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'topology.istio.io/subzone',
])

/** Most places that traffic may come from: each is compared with all others. */
const maxPlaces = 512

const distribute = z
  .strictObject({ from: z.string().optional(), to: z.record(z.string(), uint32.min(1)).optional() })
  .superRefine(({ to = {} }, context) => {
    const sum = Object.values(to).reduce((total, weight) => total + weight, 0)
    if (sum !== 100) {
      return context.addIssue({ code: 'custom', message: `must add up to 100, not ${sum}`, path: ['to'] })
    }
    for (const [name, message] of localityProblems(Object.keys(to))) {
      context.addIssue({ code: 'custom', message, path: ['to', name], params: { at: 'key' } })
    }
  })

const region = z.string().refine(text => !/[/*]/.test(text), 'must be a region: no zone, no *')

const failover = z
  .strictObject({ from: region.optional(), to: region.optional() })
  .refine(({ from = '', to = '' }) => from !== to, 'leads from a region to itself')

/** Istio's LocalityLoadBalancerSetting: which places are preferred. */
export const localityLbSetting = z
  .strictObject({
    distribute: z.array(distribute).max(maxPlaces).optional(),
    failover: z.array(failover).optional(),
    failoverPriority: z.array(z.string()).optional(),
    enabled: wrapped(z.boolean()),
  })
  .superRefine(({ distribute = [], failover = [], failoverPriority = [] }, context) => {
    if (distribute.length > 0 && failover.length > 0) {
      refuseKey(context, 'failover', 'stands beside distribute, use one of them')
    }
    for (const [index, label] of failoverPriority.entries()) {
      if (failover.length === 0 || !localityLabels.has(label)) continue
      const message = 'is a part of the locality, which failover speaks of already'
      context.addIssue({ code: 'custom', message, path: ['failoverPriority', index] })
    }
    const sources = distribute.map(({ from = '' }) => from)
    for (const [name, message] of localityProblems(sources)) {
      context.addIssue({ code: 'custom', message, path: ['distribute', sources.lastIndexOf(name), 'from'] })
    }
  })

/** Istio's ZoneAwareLoadBalancerSetting: every zone keeps what it can carry itself. */
export const zoneAwareLbSetting = z.strictObject({
  failover: z.array(failover).optional(),
  failoverPriority: z
    .array(z.string().refine(label => !localityLabels.has(label), 'is a part of the locality, which counts anyway'))
    .optional(),
  enabled: wrapped(z.boolean()),
  minClusterSize: wrapped(uint32),
})

/** What is wrong with localities that must not overlap, `region/zone/subzone` with one `*` at most, at the end. */
function localityProblems(localities: readonly string[]): readonly (readonly [string, string])[] {
  const seen: (readonly string[])[] = []
  return localities.flatMap((text): (readonly [string, string])[] => {
    const parts = splitInThree(text)
    if (/\*./.test(text)) return [[text, 'must have its * at the end, and one at most']]
    if (parts.includes('')) return [[text, 'must have no empty region, zone or subzone']]
    const overlaps = seen.some(earlier => covers(earlier, parts) || (parts.at(-1) !== '*' && covers(parts, earlier)))
    seen.push(parts)
    return overlaps ? [[text, 'overlaps with an earlier one']] : []
  })
}

/** The parts of a locality; a subzone may hold slashes. */
function splitInThree(text: string): string[] {
  const [region = '', zone, ...rest] = text.split('/')
  return [region, ...(zone === undefined ? [] : [zone]), ...(rest.length === 0 ? [] : [rest.join('/')])]
}

/** True when everything in the narrower place is in the wider one. */
function covers(wide: readonly string[], narrow: readonly string[]): boolean {
  const named = wide.at(-1) === '*' ? wide.slice(0, -1) : wide
  return named.every((part, index) => narrow[index] === part)
}
