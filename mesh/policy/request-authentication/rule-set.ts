import { fieldOf } from '../../routing/header-fields.ts'
import type { RuleRef } from '../call.ts'
import { type FoundToken, findTokens } from './locations.ts'
import { withoutParameters } from './parameters.ts'
import { refusal } from './refusal.ts'
import type { AcceptedToken, TokenAnswer, TokenRule } from './rule.ts'
import { type TokenFault, tokenFaults } from './token-fault.ts'
import type { TokenDecision, TokenRequest } from './token-outcome.ts'

/** Rules of which one that is satisfied is enough. */
export interface RuleSet {
  decide(request: TokenRequest, now: number): TokenDecision | Promise<TokenDecision>
}

const maxTokensOfRule = 8

/**
 * Combines rules as Istio does: the first rule all of whose tokens are right decides; without any token nothing is
 * refused; else the request is, for a reason of a rule the token's issuer names if there is one.
 */
export function createRuleSet(rules: readonly TokenRule[]): RuleSet {
  const written = [...new Set(rules.flatMap(rule => rule.outputNames))]
  const none: TokenDecision = { kind: 'none', operations: { remove: written, set: [], path: undefined } }

  function decideFrom(
    index: number,
    refused: Refused | undefined,
    request: TokenRequest,
    now: number,
  ): TokenDecision | Promise<TokenDecision> {
    let worst = refused
    for (const [at, rule] of rules.entries()) {
      if (at < index) continue
      const found = findTokens(rule.locations, request.headers, request.path)
      if (found.length === 0) continue
      const answer = checkAll(rule, found, now)
      if (answer instanceof Promise) {
        return answer.then(settled =>
          settled.fault === undefined
            ? verified(rule, settled.accepted, found, request.path)
            : decideFrom(at + 1, moreTelling(worst, { fault: settled.fault, by: rule.ref }), request, now),
        )
      }
      if (answer.fault === undefined) return verified(rule, answer.accepted, found, request.path)
      worst = moreTelling(worst, { fault: answer.fault, by: rule.ref })
    }
    return worst === undefined ? none : refusal(request, worst.fault, worst.by)
  }

  function verified(
    rule: TokenRule,
    { token, headers }: AcceptedToken,
    found: readonly FoundToken[],
    path: string,
  ): TokenDecision {
    const forwarded = { remove: written, set: headers, path: undefined }
    const operations = rule.forwardsToken ? forwarded : { ...forwarded, ...withoutTokens(written, found, path) }
    return { kind: 'verified', token, operations, by: rule.ref }
  }

  return {
    decide(request, now) {
      return isPreflight(request) ? none : decideFrom(0, undefined, request, now)
    },
  }
}

interface Refused {
  readonly fault: TokenFault
  readonly by: RuleRef
}

/** That a token is another issuer's says least. */
function moreTelling(before: Refused | undefined, next: Refused): Refused {
  return before === undefined || before.fault === tokenFaults.issuer ? next : before
}

/** All tokens must be right: a backend may read any of them. The first one is the request's. */
function checkAll(rule: TokenRule, found: readonly FoundToken[], now: number): TokenAnswer | Promise<TokenAnswer> {
  if (found.length > maxTokensOfRule) return { fault: tokenFaults.tooMany }
  return checkFrom(0, undefined)

  function checkFrom(index: number, first: TokenAnswer | undefined): TokenAnswer | Promise<TokenAnswer> {
    const token = found[index]
    if (token === undefined) return first ?? { fault: tokenFaults.form }
    const answer = rule.check(token.text, now)
    if (answer instanceof Promise) return answer.then(settled => next(settled))
    return next(answer)

    function next(settled: TokenAnswer): TokenAnswer | Promise<TokenAnswer> {
      return settled.fault === undefined ? checkFrom(index + 1, first ?? settled) : settled
    }
  }
}

/** Cookies stay, as in Envoy: what else is in them is not the mesh's. */
function withoutTokens(
  written: readonly string[],
  found: readonly FoundToken[],
  path: string,
): { readonly remove: readonly string[]; readonly path: string | undefined } {
  const headers = found.flatMap(({ location }) => (location.kind === 'header' ? [location.name] : []))
  const parameters = found.flatMap(({ location }) => (location.kind === 'parameter' ? [location.name] : []))
  return {
    remove: headers.length === 0 ? written : [...written, ...headers],
    path: parameters.length === 0 ? undefined : withoutParameters(path, parameters),
  }
}

/** Browsers send no credentials with a preflight (Fetch, 4.8), so none are asked for. */
function isPreflight({ method, headers }: TokenRequest): boolean {
  if (method !== 'OPTIONS') return false
  return hasText(headers, 'origin') && hasText(headers, 'access-control-request-method')
}

function hasText(headers: readonly string[], name: string): boolean {
  return (fieldOf(headers, name) ?? '') !== ''
}
