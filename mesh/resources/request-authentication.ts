import { z } from 'zod'
import { isFramingHeader } from '../policy/request-authentication/framing-headers.ts'
import { isHeaderName } from './header-operations.ts'
import { parseJwks } from './jwks.ts'
import { metadata } from './metadata.ts'
import { securityVersions } from './peer-authentication.ts'
import { checkPolicyScope, policyScope } from './policy-scope.ts'
import { ofKubernetes, refuseUnimplemented } from './primitives.ts'
import { duration } from './traffic-values.ts'

const text = z.string().min(1)

/** A header that a rule reads and removes, or writes. */
function ownHeader(name: z.ZodString) {
  return name.refine(one => !isFramingHeader(one), 'is what a message is addressed or delimited by')
}

const jwksUri = z
  .string()
  .min(1)
  .max(2048)
  .refine(isFetchable, 'must be a URL such as https://issuer.example/keys, of http or https, without a user')

const presence = z.enum(['OPTIONAL', 'REQUIRED']).superRefine((said, context) => {
  if (said !== 'REQUIRED') return
  refuseUnimplemented(context, 'tokens that must be there; let an AuthorizationPolicy ask for requestPrincipals: ["*"]')
})

const jwtRule = z
  .strictObject({
    issuer: text.optional(),
    audiences: z.array(text).optional(),
    jwksUri: jwksUri.optional(),
    /** Read when it is written: a set that nobody can verify by is no key set. Empty is as good as left out. */
    jwks: z
      .string()
      .superRefine((set, context) => {
        const parsed = set === '' ? undefined : parseJwks(set)
        if (parsed?.kind === 'bad') context.addIssue({ code: 'custom', message: parsed.message })
      })
      .optional(),
    fromHeaders: z.array(z.strictObject({ name: ownHeader(text), prefix: z.string().optional() })).optional(),
    fromParams: z.array(text).optional(),
    fromCookies: z.array(text).optional(),
    outputPayloadToHeader: ownHeader(
      z.string().refine(name => name === '' || isHeaderName(name), 'is not the name of a header'),
    ).optional(),
    outputClaimToHeaders: z
      .array(
        z.strictObject({
          header: ownHeader(
            z.string().regex(/^[-_A-Za-z0-9]+$/, 'must be a name of letters, digits, dashes and underscores'),
          ),
          claim: text,
        }),
      )
      .optional(),
    forwardOriginalToken: z.boolean().optional(),
    timeout: duration({ step: 0 }).optional(),
    spaceDelimitedClaims: z.array(text).max(64).optional(),
    /** Tokens may be absent; only that can be said. */
    presence: presence.optional(),
  })
  .superRefine(({ issuer, jwks, jwksUri: uri }, context) => {
    const say = (message: string, path: string) => context.addIssue({ code: 'custom', message, path: [path] })
    if (jwks !== undefined && uri !== undefined) say('stands beside jwks, only one of them counts', 'jwksUri')
    if (issuer === undefined && uri === undefined) say('is required without a jwksUri', 'issuer')
  })

const spec = z
  .strictObject({
    ...policyScope,
    /** Whose tokens are taken; one rule that a token satisfies is enough. */
    jwtRules: z.array(jwtRule).max(4096).optional(),
  })
  .superRefine(checkPolicyScope)

/** Istio's RequestAuthentication: which tokens requests may carry; evaluated in `mesh/policy/`. */
export const requestAuthentication = z.strictObject({
  apiVersion: z.enum(securityVersions),
  kind: z.literal('RequestAuthentication'),
  metadata: metadata('policy'),
  spec: spec.default({}),
  status: ofKubernetes(),
})

export type RequestAuthentication = z.infer<typeof requestAuthentication>

function isFetchable(uri: string): boolean {
  const url = URL.parse(uri)
  const fetched = url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.username === ''
  return fetched && /^https?:\/\/[\x21-\x7e]+$/i.test(uri) && !/%(?![0-9a-f]{2})/i.test(uri)
}
