import { z } from 'zod'
import { parseDurationMs } from '../std/duration.ts'
import { localityLbSetting, zoneAwareLbSetting } from './locality-setting.ts'
import { refuseKey } from './primitives.ts'
import { duration, uint32, wrapped } from './traffic-values.ts'

/** Envoy's limit on Maglev's table. */
const maxTable = 5_000_011

const ringSize = z.int().min(0)

const httpCookie = z.strictObject({
  name: z.string().min(1),
  path: z.string().optional(),
  /** A missing cookie is made; `0s` makes one of the session. */
  ttl: duration({ zero: true, step: 0 }).optional(),
  attributes: z
    .array(z.strictObject({ name: z.string().min(1), value: z.string().optional() }))
    .superRefine((attributes, context) => {
      const seen = new Set<string>()
      for (const [index, { name }] of attributes.entries()) {
        if (seen.has(name)) context.addIssue({ code: 'custom', message: `names ${name} twice`, path: [index, 'name'] })
        seen.add(name)
      }
    })
    .optional(),
})

const consistentHash = z
  .strictObject({
    httpHeaderName: z.string().optional(),
    httpCookie: httpCookie.optional(),
    useSourceIp: z.boolean().optional(),
    httpQueryParameterName: z.string().optional(),
    ringHash: z.strictObject({ minimumRingSize: ringSize.optional() }).optional(),
    maglev: z
      .strictObject({
        tableSize: uint32.refine(size => size < maxTable && isPrime(size), `must be a prime below ${maxTable}`),
      })
      .optional(),
    /** Istio's old name of `ringHash.minimumRingSize`. */
    minimumRingSize: ringSize.optional(),
  })
  .superRefine((hash, context) => {
    onlyOne(hash, ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'], context)
    onlyOne(hash, ['ringHash', 'maglev'], context)
    if ((hash.minimumRingSize ?? 0) > 0 && (hash.ringHash !== undefined || hash.maglev !== undefined)) {
      refuseKey(context, 'minimumRingSize', 'is the old way to say ringHash.minimumRingSize, use one of them')
    }
  })

/** Istio takes any duration here: what is negative is none. */
const anyDuration = z.string().refine(text => parseDurationMs(text) !== undefined, 'must be a duration such as 10s')

/** Weights that follow from what endpoints report of their load with their responses. */
const backendUtilization = z.strictObject({
  weightStabilizationPeriod: anyDuration.optional(),
  weightExpirationPeriod: anyDuration.optional(),
  weightUpdatePeriod: anyDuration.optional(),
  errorUtilizationPenaltyPercent: wrapped(uint32),
  metricNamesForComputingUtilization: z.array(z.string()).optional(),
})

export const loadBalancer = z
  .strictObject({
    simple: z.enum(['UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST']).optional(),
    consistentHash: consistentHash.optional(),
    localityLbSetting: localityLbSetting.optional(),
    zoneAwareLbSetting: zoneAwareLbSetting.optional(),
    warmup: z
      .strictObject({
        duration: duration(),
        minimumPercent: wrapped(z.number().min(0).max(100)),
        aggression: wrapped(z.number().min(1)),
      })
      .optional(),
    /** Istio's old name of `warmup.duration`. */
    warmupDurationSecs: duration({ step: 0 }).optional(),
    backendUtilization: backendUtilization.optional(),
  })
  .superRefine((balancer, context) => {
    onlyOne(balancer, ['simple', 'consistentHash', 'backendUtilization'], context)
    onlyOne(balancer, ['localityLbSetting', 'zoneAwareLbSetting'], context)
  })

function onlyOne(value: object, keys: readonly string[], context: z.RefinementCtx): void {
  const [first, second] = keys.filter(key => Object.hasOwn(value, key))
  if (second !== undefined) refuseKey(context, second, `stands beside ${first}, use one of them`)
}

/** True for primes, and for 1, which Istio takes too. */
function isPrime(value: number): boolean {
  if (value < 1) return false
  for (let divisor = 2; divisor * divisor <= value; divisor += 1) if (value % divisor === 0) return false
  return true
}
