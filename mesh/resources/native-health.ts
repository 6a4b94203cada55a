import { z } from 'zod'
import { type Probe, type ProbeCheck, probeLimits, probeTexts } from '../model/probe.ts'
import { portNumber } from './primitives.ts'
import { exactlyOne, isProbeHost, probeCommand, probeOf, probeUnit, threshold } from './probe-values.ts'

/** A workload's health check in the short form: `{ http: 'http://:8080/healthz', interval: 5s }`. */

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

const duration = (min: number) =>
  z
    .string()
    .refine(text => milliseconds(text) !== undefined, 'must be a duration such as 500ms, 5s or 1m')
    .refine(text => (milliseconds(text) ?? min) >= min, `must be at least ${min}ms`)
    .refine(text => (milliseconds(text) ?? 0) <= probeLimits.max, 'is too long')

const url = z.string().refine(text => parseUrl(text) !== undefined, 'must be a URL such as http://:8080/healthz')

const headerValue = z.string().regex(probeTexts.headerValue, 'must be printable ASCII')

const request = z.strictObject({
  url: z.union([portNumber, url]),
  headers: z
    .record(
      z.string().regex(probeTexts.headerName, 'is not the name of a header'),
      z.union([headerValue, z.array(headerValue).max(64)]),
    )
    .refine(headers => Object.keys(headers).length <= 64, 'has more than 64 headers')
    .optional(),
})

const checks = {
  /** The port alone, a URL, or a URL with headers. Without a host it is the workload's own address. */
  http: z.union([portNumber, url, request]).optional(),
  /** A port, or `host:port`. */
  tcp: z
    .union([portNumber, z.string().refine(text => parseTarget(text) !== undefined, 'must be a port or host:port')])
    .optional(),
  /** A port, or `:port/service` for one service of several. */
  grpc: z
    .union([portNumber, z.string().refine(text => parseGrpc(text) !== undefined, 'must be a port or :port/service')])
    .optional(),
  exec: probeCommand.optional(),
  unit: probeUnit.optional(),
}

export const nativeHealth = z
  .strictObject({
    ...checks,
    /** From one check to the next; 10s when left out. */
    interval: duration(probeLimits.minPeriodMs).optional(),
    /** How long an answer may take; 1s when left out. */
    timeout: duration(1).optional(),
    /** Before the first check. */
    initialDelay: duration(0).optional(),
    successThreshold: threshold.optional(),
    failureThreshold: threshold.optional(),
  })
  .superRefine((health, context) => exactlyOne(health, Object.keys(checks), context))

/** What a checked health check asks of the agent. */
export function probeFromNative(health: z.infer<typeof nativeHealth>): Probe | undefined {
  const check = checkOf(health)
  const { interval, timeout, initialDelay, successThreshold, failureThreshold } = health
  if (check === undefined) return undefined
  return probeOf(check, {
    initialDelayMs: initialDelay === undefined ? undefined : milliseconds(initialDelay),
    timeoutMs: timeout === undefined ? undefined : milliseconds(timeout),
    periodMs: interval === undefined ? undefined : milliseconds(interval),
    successThreshold,
    failureThreshold,
  })
}

function checkOf({ http, tcp, grpc, exec, unit }: z.infer<typeof nativeHealth>): ProbeCheck | undefined {
  if (http !== undefined) {
    const { url, headers = {} } = typeof http === 'object' ? http : { url: http }
    const parsed = typeof url === 'number' ? ({ scheme: 'http', port: url, path: '/' } as const) : parseUrl(url)
    const pairs = Object.entries(headers).flatMap(([name, values]) => {
      return (typeof values === 'string' ? [values] : values).map((value): [string, string] => [name, value])
    })
    return parsed === undefined ? undefined : { kind: 'http', ...parsed, headers: pairs }
  }
  if (tcp !== undefined) {
    const target = typeof tcp === 'number' ? { port: tcp } : parseTarget(tcp)
    return target === undefined ? undefined : { kind: 'tcp', ...target }
  }
  if (grpc !== undefined) {
    const target = typeof grpc === 'number' ? { port: grpc, service: '' } : parseGrpc(grpc)
    return target === undefined ? undefined : { kind: 'grpc', ...target }
  }
  if (exec !== undefined) return { kind: 'exec', command: exec }
  return unit === undefined ? undefined : { kind: 'unit', unit }
}

type HttpTarget = Pick<Extract<ProbeCheck, { kind: 'http' }>, 'scheme' | 'host' | 'port' | 'path'>

function parseUrl(text: string): HttpTarget | undefined {
  const [, scheme, authority = '', path = '/'] = /^(https?):\/\/([^/?#]*)(\/[^#]*)?$/.exec(text) ?? []
  if ((scheme !== 'http' && scheme !== 'https') || !probeTexts.path.test(path)) return undefined
  const portless = /^(\[.*\]|[^:]+)$/.test(authority)
  const target = parseTarget(portless ? `${authority}:${scheme === 'http' ? 80 : 443}` : authority)
  return target === undefined ? undefined : { scheme, ...target, path }
}

/** `host:port`, `[address]:port`, or `:port` for the workload's own address. */
function parseTarget(text: string): { readonly host?: string; readonly port: number } | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? []
  const port = portOf(digits)
  const host = bracketed ?? plain
  if (port === undefined || host === undefined) return undefined
  if (host === '') return { port }
  return isProbeHost(host) ? { host, port } : undefined
}

function parseGrpc(text: string): { readonly port: number; readonly service: string } | undefined {
  const [, digits, service = ''] = /^:?(\d{1,5})(?:\/([\x21-\x7e]{1,1024}))?$/.exec(text) ?? []
  const port = portOf(digits)
  return port === undefined ? undefined : { port, service }
}

function portOf(digits: string | undefined): number | undefined {
  const port = Number(digits)
  return port >= 1 && port <= 65535 ? port : undefined
}

function milliseconds(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,9})(ms|s|m|h)$/.exec(text) ?? []
  const factor = units[unit]
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor
}
