import type { RuleRef, VerifiedToken } from '../call.ts'

/** The request whose tokens are asked about; all as it would be forwarded. */
export interface TokenRequest {
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly authority: string
  /** With its query. */
  readonly path: string
  /** Flat pairs: name, value; names in any case. */
  readonly headers: readonly string[]
}

/** How the request changes before it is authorized and forwarded: first `remove` and `path`, then `set`. */
export interface TokenOperations {
  /** Names of headers, in lower case: those that rules write, and those of tokens that are not forwarded. */
  readonly remove: readonly string[]
  /** Flat pairs, names in lower case. */
  readonly set: readonly string[]
  /** The path without the tokens in it; undefined when it stays. */
  readonly path: string | undefined
}

/** `none`: no token at any location, which RequestAuthentication alone does not mind. */
export type TokenDecision =
  | { readonly kind: 'none'; readonly operations: TokenOperations }
  | {
      readonly kind: 'verified'
      readonly token: VerifiedToken
      readonly operations: TokenOperations
      readonly by: RuleRef
    }
  | {
      readonly kind: 'refused'
      readonly status: 401 | 403
      /** The header of this name (RFC 6750, 3). */
      readonly wwwAuthenticate: string
      /** The text of the answer, for people. */
      readonly reason: string
      readonly by: RuleRef
    }

export type TokenOutcome = TokenDecision & {
  /** What would be decided with the dry-run policies in force; undefined when there are none, or it is the same. */
  readonly dryRun?: TokenDecision
}
