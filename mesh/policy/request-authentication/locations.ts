import type { JwtRule } from '../../model/policy.ts'
import { fieldOf, isField } from '../../routing/header-fields.ts'
import { cookieValues } from './cookies.ts'
import { parameterValues } from './parameters.ts'

/** Where a rule looks for tokens; names of headers in lower case. */
export type TokenLocation =
  | { readonly kind: 'header'; readonly name: string; readonly prefix: string }
  | { readonly kind: 'parameter'; readonly name: string }
  | { readonly kind: 'cookie'; readonly name: string }

export interface FoundToken {
  readonly text: string
  readonly location: TokenLocation
}

/** The locations of a rule: those it names, else `Authorization: Bearer` and the query parameter `access_token`. */
export function locationsOf({ fromHeaders, fromParams, fromCookies }: JwtRule): readonly TokenLocation[] {
  const named: TokenLocation[] = [
    ...(fromHeaders ?? []).map(({ name, prefix = '' }) => ({
      kind: 'header' as const,
      name: name.toLowerCase(),
      prefix,
    })),
    ...(fromParams ?? []).map(name => ({ kind: 'parameter' as const, name })),
    ...(fromCookies ?? []).map(name => ({ kind: 'cookie' as const, name })),
  ]
  return named.length > 0 ? named : usual
}

const usual: readonly TokenLocation[] = [
  { kind: 'header', name: 'authorization', prefix: 'Bearer ' },
  { kind: 'parameter', name: 'access_token' },
]

/**
 * Every token at the locations, in their order, as Envoy's jwt_authn finds them: a header's prefix counts with its case
 * and wherever it stands, what follows begins with the first character that a token may have, and several headers of a name
 * are one. Unlike there, each parameter and cookie of a name is a token: a backend may read any of them.
 */
export function findTokens(
  locations: readonly TokenLocation[],
  headers: readonly string[],
  path: string,
): readonly FoundToken[] {
  let found: FoundToken[] | undefined
  for (const location of locations) {
    const texts = textsAt(location, headers, path)
    for (const text of texts) {
      found ??= []
      found.push({ text, location })
    }
  }
  return found ?? none
}

const none: readonly never[] = []

function textsAt(location: TokenLocation, headers: readonly string[], path: string): readonly string[] {
  switch (location.kind) {
    case 'header': {
      const text = headerToken(joinedField(headers, location.name), location.prefix)
      return text === undefined ? none : [text]
    }
    case 'parameter':
      return path.includes('?') ? parameterValues(path, location.name) : none
    case 'cookie':
      return cookieValues(headers, location.name)
  }
}

function headerToken(value: string | undefined, prefix: string): string | undefined {
  if (value === undefined || prefix === '') return value
  const at = value.indexOf(prefix)
  if (at === -1) return undefined
  const rest = value.slice(at + prefix.length)
  const start = rest.search(tokenCharacter)
  return start === -1 ? value : rest.slice(start)
}

const tokenCharacter = /[A-Za-z0-9_.-]/

function joinedField(headers: readonly string[], name: string): string | undefined {
  const first = fieldOf(headers, name)
  if (first === undefined) return undefined
  let joined: string | undefined
  for (let at = 0; at < headers.length; at += 2) {
    if (isField(headers[at], name))
      joined = joined === undefined ? headers[at + 1] : `${joined},${headers[at + 1] ?? ''}`
  }
  return joined
}
