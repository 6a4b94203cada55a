import { normalizePath, type PathNormalization } from '../../routing/path.ts'
import { isPathTemplate } from '../authorization/path-matcher.ts'
import type { PolicySurroundings } from '../policy-warnings.ts'

/** Why no call can have this value, as what is said after it; undefined when one can. */
export function meaninglessValue(name: string, value: string, surroundings: PolicySurroundings): string | undefined {
  switch (name) {
    case 'principals':
      return principal(value, surroundings)
    case 'requestPrincipals':
      return requestPrincipal(value)
    case 'paths':
      return isPathTemplate(value) ? undefined : path(value, surroundings.pathNormalization)
    case 'methods':
      return /[a-z]/.test(value) ? 'has small letters, and methods are compared as they are written' : starInside(value)
    case 'ports':
      return port(value, surroundings)
    case 'namespaces':
    case 'hosts':
    case 'connection.sni':
    case 'trustDomains':
      return starInside(value)
    default:
      return undefined
  }
}

function principal(value: string, { trustDomain, trustDomainAliases }: PolicySurroundings): string | undefined {
  if (/^\*?spiffe:/.test(value)) return 'begins with spiffe://, and principals are written without it'
  const star = starInside(value)
  if (star !== undefined || value.includes('*')) return star
  const [domain = '', ns, , sa, ...rest] = value.split('/')
  if (ns !== 'ns' || sa !== 'sa' || rest.length !== 1) {
    return 'is no principal: they are <trust domain>/ns/<namespace>/sa/<service account>'
  }
  if ([trustDomain, ...trustDomainAliases, 'cluster.local'].includes(domain)) return undefined
  return `is of the trust domain ${domain}, and callers are of ${[trustDomain, ...trustDomainAliases].join(' or ')}`
}

function requestPrincipal(value: string): string | undefined {
  const issuer = value.slice(0, value.lastIndexOf('/') + 1)
  if (!value.startsWith('*') && /^https?:\/+$/.test(issuer)) {
    return 'has no issuer: what stands before the last slash is the issuer, as a whole'
  }
  if (value.includes('/') || value.includes('*')) return undefined
  return 'has no subject: principals of requests are <issuer>/<subject>'
}

function path(value: string, mode: PathNormalization): string | undefined {
  if (/[?#]/.test(value)) return 'has a query or a fragment, and paths are compared without'
  if (!value.startsWith('/') && !value.startsWith('*')) return 'does not begin with a slash, as all paths do'
  if (value.startsWith('*')) return undefined
  if (/\*./.test(value)) return 'has a * inside, which is a letter like others there; {*} is a segment, {**} several'
  // of a prefix, the last segment may go on
  const whole = value.endsWith('*') ? value.slice(0, value.lastIndexOf('/') + 1) : value
  const normal = normalizePath(whole, mode)
  if (normal === whole) return undefined
  return normal === undefined ? 'is no path that is let in' : `is no path in its normal form, which is ${normal}`
}

function port(value: string, { ports }: PolicySurroundings): string | undefined {
  if (ports === undefined || ports.length === 0 || ports.some(({ port }) => String(port) === value)) return undefined
  return "is no port of these workloads; it is the workload's own port that counts, not a service's"
}

/** `*` means something in front or at the end. */
function starInside(value: string): string | undefined {
  const inside = value.startsWith('*') ? value.slice(1) : value.replace(/\*$/, '')
  return inside.includes('*') ? 'has a * that is a letter like others: one may stand in front or at the end' : undefined
}
