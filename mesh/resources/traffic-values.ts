import { z } from 'zod'
import { parseDurationMs } from '../std/duration.ts'
import { patternProblem } from '../std/linear-pattern.ts'
import { portNumber, refuseKey } from './primitives.ts'
import { destinationHost, isLabel } from './traffic-names.ts'

/** Values of which traffic resources are made, after Istio's protos, CRDs and validation.go. */

/** Longest regular expression: a program of that size is what Envoy takes. */
const maxRegex = 1024

const int32 = { min: -2_147_483_648, max: 2_147_483_647 } as const

/** A count that has 31 bits. */
export const count = z.int().min(0).max(int32.max)

/** A whole number of 32 bits without sign. */
export const uint32 = z.int().min(0).max(4_294_967_295)

/** A wrapped value of protobuf, which may be written as null and is then as if left out. */
export function wrapped<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform(value => value ?? undefined)
}

/**
 * A Go duration of at least 1ms. Which finer ones are taken is uneven in Istio: `step` is what it must be a multiple of,
 * in milliseconds, 0 for anything; `zero` allows everything from `0s`.
 */
export function duration({ zero = false, step = 1 }: { readonly zero?: boolean; readonly step?: 0 | 1 | 1000 } = {}) {
  return z.string().superRefine((text, context) => {
    const say = (message: string) => context.addIssue({ code: 'custom', message })
    const ms = parseDurationMs(text)
    if (ms === undefined) say('must be a duration such as 500ms, 1.5s or 1h30m')
    else if (ms < (zero ? 0 : 1)) say(zero ? 'must not be negative' : 'must be at least 1ms')
    else if (step > 0 && ms % step !== 0) say(`must be whole ${step === 1 ? 'milliseconds' : 'seconds'}`)
  })
}

/** 0 to 100. */
export const percentNumber = z.number().min(0).max(100)

export const percent = z.strictObject({ value: percentNumber.optional() })

/** An RE2 expression that is not empty. */
export const regex = z.string().superRefine(checkRegex)

function checkRegex(text: string, context: z.RefinementCtx): void {
  const problem =
    text === '' ? 'is empty' : text.length > maxRegex ? `is longer than ${maxRegex} characters` : patternProblem(text)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: `is no regular expression: it ${problem}` })
}

const oneWay = (value: object, context: z.RefinementCtx): void => {
  const given = Object.keys(value)
  const [, second] = given
  if (second !== undefined) refuseKey(context, second, `stands beside ${given[0]}, only one of them counts`)
}

const nonEmpty = z.string().min(1)

/** Ways to match a text; none of them matches any. */
export const stringMatch = z
  .strictObject({ exact: z.string().optional(), prefix: nonEmpty.optional(), regex: regex.optional() })
  .superRefine(oneWay)

/** As {@link stringMatch}; also for the absence of something, where the regex `*` stands for anything. */
export const absenceMatch = z
  .strictObject({
    exact: z.string().optional(),
    prefix: z.string().optional(),
    regex: z
      .string()
      .superRefine((text, context) => {
        if (text !== '*') checkRegex(text, context)
      })
      .optional(),
  })
  .superRefine(oneWay)

/** A path: prefixes are of its text, or (ours) of its segments. */
export const uriMatch = z
  .strictObject({
    exact: z.string().optional(),
    prefix: z.string().optional(),
    regex: regex.optional(),
    pathPrefix: z
      .string()
      .regex(/^\/[^?#]*$/, 'must be a path that begins with a slash')
      .optional(),
  })
  .superRefine(oneWay)

const labelKey =
  /^(?:[a-zA-Z0-9](?:[-a-zA-Z0-9.]{0,251}[a-zA-Z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/
const labelValue = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/

/** Labels of callers or endpoints to choose. */
export const chosenLabels = z.record(z.string(), z.string()).superRefine((record, context) => {
  for (const [key, value] of Object.entries(record)) {
    if (!labelKey.test(key)) refuseKey(context, key, 'is not a label name')
    else if (!labelValue.test(value)) context.addIssue({ code: 'custom', message: 'is not a label value', path: [key] })
  }
})

const portSelector = z.strictObject({ number: portNumber })

/** Where a route leads: a host, one of its subsets, one of its ports. */
export const destination = z.strictObject({
  host: destinationHost.refine(host => host !== '*', 'stands for every name, name the service'),
  /** Empty is as good as nothing said. */
  subset: z
    .string()
    .refine(text => text === '' || isLabel(text), 'must be 1 to 63 letters, digits and dashes')
    .optional(),
  port: portSelector.optional(),
})

/** Refuses several destinations of which none gets anything. */
export function checkWeights(
  routes: readonly { readonly weight?: number | undefined }[] | undefined,
  context: z.RefinementCtx,
): void {
  if (routes === undefined || routes.length < 2 || routes.some(route => (route.weight ?? 0) > 0)) return
  context.addIssue({ code: 'custom', message: 'has no destination with a weight above 0', path: ['route'] })
}

/** A port of callers' or connections' side; 0 is as good as nothing said. */
export const matchedPort = z.int().min(0).max(65535)
