import { z } from 'zod'
import type { Probe, ProbeCheck } from '../model/probe.ts'
import { probeLimits, probeTexts } from '../model/probe.ts'
import { portNumber } from './primitives.ts'
import { absolutePath, exactlyOne, probeCommand, probeHost, probeOf, probePath, threshold } from './probe-values.ts'

/** Istio's numbers are 32 bits. */
const seconds = z.int().min(0).max(2_147_483_647)

const httpHeader = z.strictObject({
  name: z
    .string()
    .max(256)
    .regex(/^[-A-Za-z0-9]+$/, 'must be letters, digits and dashes'),
  value: z.string().regex(probeTexts.headerValue, 'must be printable ASCII').optional(),
})

const httpGet = z.strictObject({
  path: probePath.optional(),
  port: portNumber,
  host: probeHost.optional(),
  /** HTTP when left out. */
  scheme: z.enum(['', 'HTTP', 'HTTPS']).optional(),
  httpHeaders: z.array(httpHeader).max(256).optional(),
})

const methods = {
  httpGet: httpGet.optional(),
  tcpSocket: z.strictObject({ host: probeHost.optional(), port: portNumber }).optional(),
  exec: z.strictObject({ command: probeCommand }).optional(),
  grpc: z.strictObject({ port: portNumber, service: z.string().max(1024).optional() }).optional(),
}

/**
 * Istio's ReadinessProbe (networking/v1/workload_group.proto): how to tell whether a workload can serve. What is checked
 * is held to {@link checkMethod}.
 */
export const readinessProbe = z.strictObject({
  initialDelaySeconds: seconds.optional(),
  timeoutSeconds: seconds.optional(),
  periodSeconds: seconds.optional(),
  successThreshold: threshold.optional(),
  failureThreshold: threshold.optional(),
  ...methods,
})

type ReadinessProbe = z.infer<typeof readinessProbe>

/** Refuses a probe without a method or with several; with a `unit` to check it says only when and how often. */
export function checkMethod(probe: ReadinessProbe, unit: string | undefined, context: z.RefinementCtx): void {
  const path = ['probe']
  if (unit === undefined) return exactlyOne(probe, Object.keys(methods), context, path)
  const method = Object.keys(methods).find(name => Object.hasOwn(probe, name))
  if (method === undefined) return
  const message = 'is one check too many, weft.dev/health-unit says what is checked'
  context.addIssue({ code: 'custom', message, path: [...path, method] })
}

/** What a checked ReadinessProbe asks of the agent; `unit` is what it checks when it has no method of its own. */
export function probeFromReadiness(given: ReadinessProbe, unit: string | undefined): Probe | undefined {
  const check = unit === undefined ? checkOf(given) : ({ kind: 'unit', unit } as const)
  if (check === undefined) return undefined
  const { initialDelaySeconds, timeoutSeconds, periodSeconds, successThreshold, failureThreshold } = given
  return probeOf(check, {
    initialDelayMs: milliseconds(initialDelaySeconds),
    timeoutMs: milliseconds(timeoutSeconds),
    periodMs: milliseconds(periodSeconds),
    successThreshold,
    failureThreshold,
  })
}

function checkOf({ httpGet, tcpSocket, exec, grpc }: ReadinessProbe): ProbeCheck | undefined {
  if (httpGet !== undefined) {
    const { scheme, host = '', port, path = '', httpHeaders = [] } = httpGet
    return {
      kind: 'http',
      scheme: scheme === 'HTTPS' ? 'https' : 'http',
      ...(host === '' ? {} : { host }),
      port,
      path: absolutePath(path),
      headers: httpHeaders.map(({ name, value = '' }) => [name, value]),
    }
  }
  if (tcpSocket !== undefined) {
    const { host = '', port } = tcpSocket
    return { kind: 'tcp', ...(host === '' ? {} : { host }), port }
  }
  if (grpc !== undefined) return { kind: 'grpc', port: grpc.port, service: grpc.service ?? '' }
  return exec === undefined ? undefined : { kind: 'exec', command: exec.command }
}

/** No longer than a timer can be, which is 24 days. */
function milliseconds(given: number | undefined): number | undefined {
  return given === undefined ? undefined : Math.min(given * 1000, probeLimits.max)
}
