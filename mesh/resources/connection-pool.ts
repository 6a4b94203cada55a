import { z } from 'zod'
import { refuseKey } from './primitives.ts'
import { count, duration, percentNumber, uint32, wrapped } from './traffic-values.ts'

/** How many connections and requests there may be, and which endpoints are left out (Istio's destination_rule.proto). */

export const tcpKeepalive = z.strictObject({
  probes: uint32.optional(),
  time: duration().optional(),
  interval: duration().optional(),
})

export const connectionPool = z
  .strictObject({
    tcp: z
      .strictObject({
        maxConnections: count.optional(),
        connectTimeout: duration().optional(),
        tcpKeepalive: tcpKeepalive.optional(),
        maxConnectionDuration: duration().optional(),
        /** `0s` is never. */
        idleTimeout: duration({ zero: true, step: 0 }).optional(),
      })
      .optional(),
    http: z
      .strictObject({
        http1MaxPendingRequests: count.optional(),
        http2MaxRequests: count.optional(),
        maxRequestsPerConnection: count.optional(),
        maxRetries: count.optional(),
        idleTimeout: duration().optional(),
        h2UpgradePolicy: z.enum(['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE']).optional(),
        useClientProtocol: z.boolean().optional(),
        maxConcurrentStreams: count.optional(),
        http2KeepAlive: z.strictObject({ interval: duration(), timeout: duration() }).optional(),
      })
      .superRefine(({ h2UpgradePolicy, useClientProtocol }, context) => {
        if (useClientProtocol !== true || h2UpgradePolicy !== 'UPGRADE') return
        refuseKey(context, 'useClientProtocol', 'stands beside h2UpgradePolicy: UPGRADE, use one of them')
      })
      .optional(),
  })
  .refine(({ tcp, http }) => tcp !== undefined || http !== undefined, 'needs tcp or http')

export const outlierDetection = z
  .strictObject({
    /** Istio's old name, which has no effect there either. */
    consecutiveErrors: z.int().optional(),
    splitExternalLocalOriginErrors: z.boolean().optional(),
    consecutiveLocalOriginFailures: wrapped(uint32),
    consecutiveGatewayErrors: wrapped(uint32),
    consecutive5xxErrors: wrapped(uint32),
    interval: duration().optional(),
    baseEjectionTime: duration().optional(),
    maxEjectionPercent: z.int().min(0).max(100).optional(),
    minHealthPercent: z.int().min(0).max(100).optional(),
    /** Statuses that count as failures, instead of all 5xx. */
    outlierDetectionHttpErrorCodes: z.array(z.int().min(100).max(599)).optional(),
  })
  .superRefine(({ splitExternalLocalOriginErrors, consecutiveLocalOriginFailures = 0 }, context) => {
    if (splitExternalLocalOriginErrors === true || consecutiveLocalOriginFailures === 0) return
    const message = 'counts only with splitExternalLocalOriginErrors: true'
    context.addIssue({ code: 'custom', message, path: ['consecutiveLocalOriginFailures'] })
  })

export const retryBudget = z.strictObject({
  /** Of the requests under way. */
  percent: wrapped(percentNumber),
  minRetryConcurrency: uint32.optional(),
  budgetInterval: duration().optional(),
})
