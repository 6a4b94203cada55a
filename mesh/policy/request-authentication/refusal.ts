import type { RuleRef } from '../call.ts'
import type { TokenFault } from './token-fault.ts'
import type { TokenDecision, TokenRequest } from './token-outcome.ts'

/** The answer to a request with a token that is refused. */
export function refusal(request: TokenRequest, { status, reason }: TokenFault, by: RuleRef): TokenDecision {
  return { kind: 'refused', status, reason, by, wwwAuthenticate: challenge(request) }
}

const maxPathLength = 256

/** The challenge of RFC 6750; its realm leaves the query out: a token in it is no answer's business. */
function challenge({ scheme, authority, path }: TokenRequest): string {
  const query = path.indexOf('?')
  const bare = (query === -1 ? path : path.slice(0, query)).slice(0, maxPathLength)
  const realm = `${scheme}://${authority}${bare}`.replaceAll('\\', '%5C').replaceAll('"', '%22')
  return `Bearer realm="${realm}", error="invalid_token"`
}
