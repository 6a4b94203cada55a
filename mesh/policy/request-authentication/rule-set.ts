import { fieldOf } from '../../routing/header-fields.ts'
import type { RuleRef } from '../call.ts'
import { isFramingHeader } from './framing-headers.ts'
import { type FoundToken, findTokens, type TokenLocation } from './locations.ts'
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
  const removals = new Map(rules.flatMap(rule => removalsOf(rule, written)))

  function decideFrom(
    index: number,
    refused: Refused | undefined,
    request: TokenRequest,
    now: number,
  ): TokenDecision | Promise<TokenDecision> {
    let worst = refused
    for (let at = index; at < rules.length; at += 1) {
      const rule = rules[at]
      if (rule === undefined) continue
      const found = findTokens(rule.locations, request.headers, request.path)
      if (found.length === 0) continue
      const answer = checkAll(rule, found, now)
      if (answer instanceof Promise) return later(answer, rule, at, found, worst, request, now)
      if (answer.fault === undefined) return verified(rule, answer.accepted, found, request.path)
      worst = moreTelling(worst, { fault: answer.fault, by: rule.ref })
    }
    return worst === undefined ? none : refusal(request, worst.fault, worst.by)
  }

  async function later(
    answer: Promise<TokenAnswer>,
    rule: TokenRule,
    at: number,
    found: readonly FoundToken[],
    worst: Refused | undefined,
    request: TokenRequest,
    now: number,
  ): Promise<TokenDecision> {
    const { accepted, fault } = await answer
    if (accepted !== undefined) return verified(rule, accepted, found, request.path)
    return decideFrom(at + 1, moreTelling(worst, { fault, by: rule.ref }), request, now)
  }

  function verified(
    rule: TokenRule,
    { token, headers }: AcceptedToken,
    found: readonly FoundToken[],
    path: string,
  ): TokenDecision {
    const [first] = found
    const kept = rule.forwardsToken || first === undefined
    const remove = kept ? written : found.length === 1 ? removals.get(first.location) : removalOfAll(found)
    const operations = { remove: remove ?? written, set: headers, path: kept ? undefined : pathWithout(found, path) }
    return { kind: 'verified', token, operations, by: rule.ref }
  }

  function removalOfAll(found: readonly FoundToken[]): readonly string[] {
    return [...new Set(found.flatMap(({ location }) => removals.get(location) ?? written))]
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
  const [only] = found
  if (only !== undefined && found.length === 1) return rule.check(only.text, now)
  return found.length > maxTokensOfRule ? { fault: tokenFaults.tooMany } : checkEach(rule, found, now)
}

function checkEach(
  rule: TokenRule,
  found: readonly FoundToken[],
  now: number,
  from = 0,
  before?: TokenAnswer,
): TokenAnswer | Promise<TokenAnswer> {
  let first = before
  for (let at = from; at < found.length; at += 1) {
    const answer = rule.check(found[at]?.text ?? '', now)
    const next = at + 1
    if (answer instanceof Promise) {
      const taken = first
      return answer.then(settled =>
        settled.fault === undefined ? checkEach(rule, found, now, next, taken ?? settled) : settled,
      )
    }
    if (answer.fault !== undefined) return answer
    first ??= answer
  }
  return first ?? { fault: tokenFaults.form }
}

/** What goes with a token at each of the rule's locations. Cookies stay, as in Envoy: they hold more than tokens. */
function removalsOf(rule: TokenRule, written: readonly string[]): [TokenLocation, readonly string[]][] {
  return rule.locations.map(location => {
    const isRemoved = location.kind === 'header' && !isFramingHeader(location.name)
    return [location, isRemoved ? [...written, location.name] : written]
  })
}

function pathWithout(found: readonly FoundToken[], path: string): string | undefined {
  const names = found.flatMap(({ location }) => (location.kind === 'parameter' ? [location.name] : noNames))
  return names.length === 0 ? undefined : withoutParameters(path, names)
}

const noNames: readonly string[] = []

/** Browsers send no credentials with a preflight (Fetch, 4.8), so none are asked for. */
function isPreflight({ method, headers }: TokenRequest): boolean {
  if (method !== 'OPTIONS') return false
  return hasText(headers, 'origin') && hasText(headers, 'access-control-request-method')
}

function hasText(headers: readonly string[], name: string): boolean {
  return (fieldOf(headers, name) ?? '') !== ''
}
