import type { HttpRouteSpec } from '../model/traffic.ts'
import { parseDurationMs } from '../std/duration.ts'
import { grpcStatusNumber } from './grpc.ts'
import type { Fault } from './route.ts'

/** Prepares a HTTPFaultInjection; without a percentage, old or new, nothing happens (Envoy reads none as 0). */
export function compileFault(spec: HttpRouteSpec['fault']): Fault | undefined {
  if (spec === undefined) return undefined
  const delayMs = parseDurationMs(spec.delay?.fixedDelay ?? '') ?? 0
  const abort = abortOf(spec.abort)
  const fault: Fault = {
    delayMs,
    delayShare: delayMs > 0 ? share(delayPercent(spec.delay)) : 0,
    abort,
    abortShare: abort === undefined ? 0 : share(spec.abort?.percentage?.value ?? 0),
  }
  return fault.delayShare === 0 && fault.abortShare === 0 ? undefined : fault
}

/** What is said to a client instead of the upstream's answer: the body, or gRPC's message. */
export const faultAbortMessage = 'fault filter abort'

type DelaySpec = NonNullable<HttpRouteSpec['fault']>['delay']

function delayPercent(spec: DelaySpec): number {
  return (spec?.percentage === undefined ? spec?.percent : spec.percentage.value) ?? 0
}

type AbortSpec = NonNullable<HttpRouteSpec['fault']>['abort']

function abortOf(spec: AbortSpec): Fault['abort'] {
  if (spec?.httpStatus !== undefined && spec.httpStatus !== 0) return { kind: 'http', status: spec.httpStatus }
  const grpc = grpcStatusNumber(spec?.grpcStatus ?? '')
  return grpc === undefined ? undefined : { kind: 'grpc', status: grpc }
}

/** A percentage as a share in [0, 1]. */
export function share(percent: number): number {
  return Math.min(Math.max(percent / 100, 0), 1)
}
