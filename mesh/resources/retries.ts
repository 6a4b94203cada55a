import { z } from 'zod'
import { count, duration, wrapped } from './traffic-values.ts'

/** Conditions of Envoy's router, for HTTP and for gRPC. */
const conditions = new Set([
  ...['5xx', 'gateway-error', 'reset', 'reset-before-request', 'connect-failure', 'retriable-4xx', 'refused-stream'],
  ...['retriable-status-codes', 'retriable-headers', 'envoy-ratelimited', 'http3-post-connect-failure'],
  ...['cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted', 'unavailable'],
])
/** Statuses that have a name (IANA's registry, as Go's net/http has it): others are typing errors, Istio holds. */
const isNamedStatus = (code: number): boolean =>
  (code >= 100 && code <= 103) ||
  (code >= 200 && code <= 208) ||
  (code >= 300 && code <= 308 && code !== 306) ||
  (code >= 400 && code <= 426 && ![419, 420, 425].includes(code)) ||
  (code >= 500 && code <= 511 && code !== 509) ||
  [226, 425, 428, 429, 431, 451].includes(code)

/** Istio's HTTPRetry: how often and when a request is tried again. */
export const retries = z
  .strictObject({
    /** 0 is never. */
    attempts: count.optional(),
    perTryTimeout: duration().optional(),
    retryOn: z
      .string()
      .superRefine((text, context) => {
        if (text === '') return
        for (const word of text.split(',')) {
          if (conditions.has(word) || (/^\d+$/.test(word) && isNamedStatus(Number(word)))) continue
          context.addIssue({ code: 'custom', message: `${word} is neither a condition of retries nor a status` })
        }
      })
      .optional(),
    retryRemoteLocalities: wrapped(z.boolean()),
    retryIgnorePreviousHosts: wrapped(z.boolean()),
    backoff: duration().optional(),
  })
  .superRefine((given, context) => {
    if (given.attempts !== undefined && given.attempts > 0) return
    const { perTryTimeout, retryOn, retryRemoteLocalities } = given
    if (perTryTimeout === undefined && !retryOn && retryRemoteLocalities === undefined) return
    context.addIssue({ code: 'custom', message: 'says how to retry without attempts above 0' })
  })
