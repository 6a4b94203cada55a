import type { JwtRule, Policy, RequestAuthenticationSpec } from '../../model/policy.ts'
import type { RuleRef, VerifiedToken } from '../call.ts'
import { checkClaims, sanitizedAudiences } from './claims.ts'
import { verificationKeys } from './keys.ts'
import { locationsOf, type TokenLocation } from './locations.ts'
import { outputHeaders, outputNames } from './output-headers.ts'
import { type ParsedToken, parseToken } from './parse-token.ts'
import { type TokenFault, tokenFaults } from './token-fault.ts'
import { createVerifiedTokens } from './verified-tokens.ts'

/** What a verified token says, and the headers that tell it to the backend, as flat pairs. */
export interface AcceptedToken {
  readonly token: VerifiedToken
  readonly headers: readonly string[]
}

/** One `jwtRule`, prepared. */
export interface TokenRule {
  readonly ref: RuleRef
  readonly issuer: string
  readonly locations: readonly TokenLocation[]
  /** Headers that only the rule may write, in lower case. */
  readonly outputNames: readonly string[]
  readonly forwardsToken: boolean
  /**
   * Judges a token at a time (milliseconds since 1970). Answers at once unless the token's signature has to be checked:
   * the first time, or when it has not been seen for long. Never throws or rejects.
   */
  check(text: string, now: number): TokenAnswer | Promise<TokenAnswer>
}

export type TokenAnswer =
  | { readonly accepted: AcceptedToken; readonly fault?: undefined }
  | { readonly accepted?: undefined; readonly fault: TokenFault }

const maxKeptTokens = 1000
const maxKeptLength = 1024 * 1024

/** Claims that are lists of words in one text, for every rule, as Istio has it. */
const spaceDelimited: readonly string[] = ['scope', 'permission']

/** Prepares one rule of a policy; signatures that were right are remembered with it. */
export function createTokenRule(
  { namespace, name }: Pick<Policy<RequestAuthenticationSpec>, 'namespace' | 'name'>,
  rule: JwtRule,
  index: number,
): TokenRule {
  const keys = verificationKeys(rule.jwks)
  const claims = { issuer: rule.issuer ?? '', audiences: sanitizedAudiences(rule.audiences ?? []) }
  const words = [...spaceDelimited, ...(rule.spaceDelimitedClaims ?? [])]
  const seen = createVerifiedTokens<{ readonly parsed: ParsedToken; readonly answer: TokenAnswer }>(
    maxKeptTokens,
    maxKeptLength,
  )

  function accept(parsed: ParsedToken): TokenAnswer {
    const headers = outputHeaders(rule, parsed)
    const answer = { accepted: { token: verifiedToken(parsed, words), headers } }
    seen.set(parsed.text, { parsed, answer })
    return answer
  }

  return {
    ref: { policy: `${namespace}/${name}`, rule: index },
    issuer: claims.issuer,
    locations: locationsOf(rule),
    outputNames: outputNames(rule),
    forwardsToken: rule.forwardOriginalToken === true,
    check(text, now) {
      const known = seen.get(text)
      const parsed = known?.parsed ?? parseToken(text)
      if (isFault(parsed)) return { fault: parsed }
      const fault = checkClaims(parsed, claims, now)
      if (fault !== undefined) {
        if (fault === tokenFaults.expired) seen.delete(text)
        return { fault }
      }
      if (known !== undefined) return known.answer
      const verified = keys.verify(parsed)
      if (!(verified instanceof Promise)) return { fault: verified }
      return verified.then(
        wrong => (wrong === undefined ? accept(parsed) : { fault: wrong }),
        () => ({ fault: tokenFaults.signature }),
      )
    },
  }
}

function isFault(parsed: ParsedToken | TokenFault): parsed is TokenFault {
  return 'reason' in parsed
}

function verifiedToken({ claims, issuer, subject }: ParsedToken, words: readonly string[]): VerifiedToken {
  const principal = issuer === '' || subject === '' ? undefined : `${issuer}/${subject}`
  const split: Record<string, unknown> = { ...claims }
  for (const name of words) {
    const claim = Object.hasOwn(claims, name) ? claims[name] : undefined
    if (typeof claim === 'string') split[name] = claim.split(' ').filter(word => word !== '')
  }
  return { principal, claims: split }
}
