import { z } from 'zod'
import { headerName } from './header-operations.ts'
import { refuseKey, unimplemented } from './primitives.ts'
import { duration, matchedPort, percent, regex, stringMatch, wrapped } from './traffic-values.ts'

/** What is done with a request of a route besides sending it on, after Istio's validation.go. */

/** Istio's limits, 600 included. */
const status = z.int().min(200).max(600)

export const redirect = z
  .strictObject({
    uri: z.string().optional(),
    authority: z.string().optional(),
    port: matchedPort.optional(),
    derivePort: z.enum(['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT']).optional(),
    scheme: z.enum(['', 'http', 'https']).optional(),
    /** 301 when left out, or 0. */
    redirectCode: z
      .int()
      .refine(code => code === 0 || (code >= 300 && code <= 399), 'must be from 300 to 399')
      .optional(),
    /** Takes the place of what the match found of the path. */
    prefixRewrite: z.string().optional(),
  })
  .superRefine((redirect, context) => {
    const { uri, authority, port, derivePort, scheme, prefixRewrite } = redirect
    if (uri && prefixRewrite) refuseKey(context, 'prefixRewrite', 'stands beside uri, use one of them')
    if (port !== undefined && derivePort !== undefined)
      refuseKey(context, 'derivePort', 'stands beside port, use one of them')
    if (uri || prefixRewrite || authority || scheme || port !== undefined || derivePort !== undefined) return
    const message = 'needs one of uri, prefixRewrite, authority, scheme, port and derivePort'
    context.addIssue({ code: 'custom', message })
  })

const base64 = /^(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2}==|[A-Za-z0-9+/_-]{3}=)?$/

export const directResponse = z.strictObject({
  status,
  body: z
    .strictObject({
      string: z.string().optional(),
      bytes: z.string().min(1).regex(base64, 'must be base64').optional(),
    })
    .superRefine(({ string, bytes }, context) => {
      if (string !== undefined && bytes !== undefined)
        refuseKey(context, 'bytes', 'stands beside string, use one of them')
    })
    .optional(),
})

export const rewrite = z
  .strictObject({
    uri: z.string().optional(),
    authority: z.string().optional(),
    uriRegexRewrite: z
      .strictObject({ match: regex.optional(), rewrite: z.string().optional() })
      .superRefine(({ match, rewrite }, context) => {
        if (match === undefined) context.addIssue({ code: 'custom', message: 'needs match' })
        if (!rewrite) context.addIssue({ code: 'custom', message: 'needs rewrite' })
      })
      .optional(),
  })
  .superRefine(({ uri, authority, uriRegexRewrite }, context) => {
    if (uri && uriRegexRewrite !== undefined) {
      refuseKey(context, 'uriRegexRewrite', 'stands beside uri, use one of them')
    }
    if (uri || authority || uriRegexRewrite !== undefined) return
    context.addIssue({ code: 'custom', message: 'needs one of uri, authority and uriRegexRewrite' })
  })

const grpcStatuses = [
  ...['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS'],
  ...['PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED'],
  ...['INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'],
] as const

export const fault = z.strictObject({
  delay: z
    .strictObject({
      fixedDelay: duration().optional(),
      /** None when left out. */
      percentage: percent.optional(),
      /** The old form of percentage, which goes before it; more than 100 is all. */
      percent: z.int().min(0).max(2_147_483_647).optional(),
      exponentialDelay: unimplemented('exponential delays, which Istio refuses too'),
    })
    .optional(),
  abort: z
    .strictObject({
      httpStatus: status.optional(),
      grpcStatus: z.enum(grpcStatuses).optional(),
      percentage: percent.optional(),
      http2Error: unimplemented('aborts with errors of HTTP/2, which Istio refuses too'),
    })
    .superRefine(({ httpStatus, grpcStatus }, context) => {
      if (httpStatus !== undefined && grpcStatus !== undefined) {
        refuseKey(context, 'grpcStatus', 'stands beside httpStatus, use one of them')
      }
    })
    .optional(),
})

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', '*'] as const

export const corsPolicy = z.strictObject({
  /** The old form of allowOrigins, which goes before it: exact texts. */
  allowOrigin: z.array(z.string()).optional(),
  allowOrigins: z
    .array(
      stringMatch.refine(
        match => Boolean(match.exact || match.prefix || match.regex),
        'needs one of exact, prefix and regex',
      ),
    )
    .optional(),
  allowMethods: z.array(z.enum(methods)).optional(),
  allowHeaders: z.array(headerName).optional(),
  exposeHeaders: z.array(headerName).optional(),
  maxAge: duration({ step: 1000 }).optional(),
  allowCredentials: wrapped(z.boolean()),
  unmatchedPreflights: z.enum(['UNSPECIFIED', 'FORWARD', 'IGNORE']).optional(),
})
