import { z } from 'zod'
import { isMatchableHeader } from './header-operations.ts'
import { refuseKey, refuseUnimplemented } from './primitives.ts'
import { gatewayNames, isLabel } from './traffic-names.ts'
import { absenceMatch, chosenLabels, matchedPort, stringMatch, uriMatch } from './traffic-values.ts'

/** What a route of HTTP is for. */

const headerKeys = (claims: boolean) => (record: Readonly<Record<string, unknown>>, context: z.RefinementCtx) => {
  for (const name of Object.keys(record)) {
    if (claims && /^@request\.auth\.claims[.[]/.test(name)) {
      refuseUnimplemented(context, 'matching claims of tokens', [name])
    } else if (!isMatchableHeader(name)) refuseKey(context, name, 'is not the name of a header')
  }
}

/** A namespace of callers; empty is as good as nothing said. */
const sourceNamespace = z
  .string()
  .refine(text => text === '' || isLabel(text), 'must be 1 to 63 letters, digits and dashes')

export const httpMatch = z.strictObject({
  name: z.string().optional(),
  uri: uriMatch.optional(),
  scheme: stringMatch.optional(),
  method: stringMatch.optional(),
  authority: stringMatch.optional(),
  headers: z.record(z.string(), stringMatch).superRefine(headerKeys(true)).optional(),
  withoutHeaders: z.record(z.string(), absenceMatch).superRefine(headerKeys(false)).optional(),
  queryParams: z.record(z.string(), stringMatch).optional(),
  port: matchedPort.optional(),
  sourceLabels: chosenLabels.optional(),
  sourceNamespace: sourceNamespace.optional(),
  gateways: gatewayNames.optional(),
  /** Of `exact` and `prefix`. */
  ignoreUriCase: z.boolean().optional(),
  /** Has no effect: it names statistics of Envoy. */
  statPrefix: z.string().optional(),
})
