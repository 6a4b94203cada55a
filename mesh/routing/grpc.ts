import { fieldOf, startsWithFolded } from './header-fields.ts'

/** gRPC over HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md), as far as a proxy has to know it. */

const contentType = 'application/grpc'

/** Whether the content type is gRPC's: `application/grpc`, or with a `+proto` or parameters behind it. */
export function isGrpcRequest(headers: readonly string[]): boolean {
  return isGrpcContentType(fieldOf(headers, 'content-type'))
}

/** The same for a content type that was found already. */
export function isGrpcContentType(value: string | undefined): boolean {
  if (value === undefined || !startsWithFolded(value, contentType)) return false
  const after = value[contentType.length]
  return after === undefined || after === '+' || after === ';'
}

const statuses = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]

/** The number of a status by its name (`UNAVAILABLE`) or its number in digits; undefined for anything else. */
export function grpcStatusNumber(name: string): number | undefined {
  const index = statuses.indexOf(name)
  if (index >= 0) return index
  return /^\d{1,2}$/.test(name) && Number(name) < statuses.length ? Number(name) : undefined
}

/** What an HTTP status is to a gRPC client (grpc/doc/http-grpc-status-mapping.md). */
export function grpcStatusOf(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
      return 13
    case 401:
      return 16
    case 403:
      return 7
    case 404:
      return 12
    case 429:
    case 502:
    case 503:
    case 504:
      return 14
    default:
      return 2
  }
}

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }

/** Reads a `grpc-timeout` (`250m`, `1S`) into whole milliseconds, rounded up; undefined for what is none. */
export function grpcTimeoutMs(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const found = /^(\d{1,8})([HMSmun])$/.exec(value)
  const unit = unitMs[found?.[2] ?? '']
  return unit === undefined ? undefined : Math.ceil(Number(found?.[1]) * unit)
}

/** Writes milliseconds as a `grpc-timeout`: eight digits at most, in the finest unit of `m`, `S`, `M`, `H` that fits. */
export function grpcTimeout(ms: number): string {
  const whole = Math.ceil(ms)
  if (whole < 1e8) return `${whole}m`
  if (whole < 1e11) return `${Math.floor(whole / 1000)}S`
  if (whole < 6e12) return `${Math.floor(whole / 60_000)}M`
  return `${Math.floor(whole / 3_600_000)}H`
}
