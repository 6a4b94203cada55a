import type { ProbeCheck } from '../../mesh/model/probe.ts'

/** How one check came out; the reason is one line, and empty for a healthy one that has nothing to say. */
export interface CheckResult {
  readonly healthy: boolean
  readonly reason: string
}

/**
 * Runs one kind of check against the workload at `address`. Once the signal aborts the answer does not matter any more,
 * and nothing of the check may be left: neither sockets nor processes. Failures are results, never thrown.
 */
export type RunCheck<Kind extends ProbeCheck['kind'] = ProbeCheck['kind']> = (
  check: Extract<ProbeCheck, { readonly kind: Kind }>,
  address: string,
  signal: AbortSignal,
) => Promise<CheckResult>

const maxReasonLength = 200
const maxCommandLength = 60
const controlCharacters = /[\p{Cc}\u2028\u2029]+/gu

/** What everybody knows the usual failures of a connection as. */
const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network unreachable',
  EADDRNOTAVAIL: 'address not available',
  ETIMEDOUT: 'connection timed out',
  ENOTFOUND: 'name not found',
  EPIPE: 'connection reset',
}

/** An unhealthy result from whatever was thrown or emitted. */
export function failed(error: unknown): CheckResult {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
  const text = words[code] ?? (error instanceof Error && error.message !== '' ? error.message : code)
  return { healthy: false, reason: text === '' ? 'failed' : text }
}

/** What a check does, for reasons and status: `tcp 10.0.0.7:8080`, `GET http://10.0.0.7:8080/healthz`, `unit api`. */
export function describeCheck(check: ProbeCheck, address: string): string {
  switch (check.kind) {
    case 'http':
      return `GET ${urlOf(check, address)}`
    case 'tcp':
      return `tcp ${authority(check.host ?? address, check.port)}`
    case 'grpc':
      return `grpc ${authority(address, check.port)}${check.service === '' ? '' : `/${check.service}`}`
    case 'exec':
      return `exec ${oneLine(check.command.join(' '), maxCommandLength)}`
    case 'unit':
      return `unit ${check.unit}`
  }
}

/** The URL that an HTTP check asks for. */
export function urlOf(check: Extract<ProbeCheck, { readonly kind: 'http' }>, address: string): string {
  return `${check.scheme}://${authority(check.host ?? address, check.port)}${check.path}`
}

/** `<what>: <why>` in one line of at most 200 characters. */
export function explained(what: string, why: string): string {
  return oneLine(`${what}: ${why}`, maxReasonLength)
}

/** A host and port as a URL writes them. */
export function authority(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function oneLine(text: string, maxLength: number): string {
  const line = text.replace(controlCharacters, ' ').trim()
  return (line.length <= maxLength ? line : `${line.slice(0, maxLength - 1)}…`).toWellFormed()
}
