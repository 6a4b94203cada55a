import type { Attribute } from './attribute.ts'
import { createTextMatcher, type TextMatcher } from './text-matcher.ts'

/**
 * `requestPrincipals` and `request.auth.principal`: `<issuer>/<subject>`, and both must be there. As in Istio the last
 * slash divides the two, and `*` at the beginning or the end belongs to the part it stands in, so that `https://*` is any
 * subject of an issuer named `https:/`, and not any issuer.
 */
export const requestPrincipals: Attribute = {
  isHttp: true,
  seen: ({ request }) => request?.token?.principal,
  compile(values) {
    const meant = values.map(parse)
    return ({ request }) => {
      const claims = request?.token?.claims
      const issuer = claims?.iss
      const subject = claims?.sub
      if (typeof issuer !== 'string' || typeof subject !== 'string') return false
      for (const { matchesIssuer, matchesSubject } of meant) {
        if (matchesIssuer(issuer) && matchesSubject(subject)) return true
      }
      return false
    }
  },
}

interface MeantPrincipal {
  readonly matchesIssuer: TextMatcher
  readonly matchesSubject: TextMatcher
}

function parse(value: string): MeantPrincipal {
  const slash = value.lastIndexOf('/')
  const [issuer, subject] = slash < 0 ? withoutSlash(value) : [value.slice(0, slash), value.slice(slash + 1)]
  // only one star means something: the one in front, if there is one
  const isFront = value.startsWith('*')
  return {
    matchesIssuer: isFront ? createTextMatcher([issuer]) : matchesPart(issuer, slash < 0),
    matchesSubject: isFront ? matchesPart(subject, slash < 0) : createTextMatcher([subject]),
  }
}

function matchesPart(part: string, isPattern: boolean): TextMatcher {
  return isPattern ? createTextMatcher([part]) : text => text === part
}

/** Without a slash a text is an issuer, unless it begins with `*`. */
function withoutSlash(value: string): readonly [issuer: string, subject: string] {
  if (value.startsWith('*')) return ['*', value]
  return [value, value.endsWith('*') ? '*' : '']
}
