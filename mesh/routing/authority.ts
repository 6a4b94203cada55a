/** An authority as virtual hosts are looked up by it. */
export interface AuthorityName {
  /** Lower case, without port and trailing dot; IPv6 addresses without brackets. */
  readonly name: string
  /** It ended with a dot: a full name, never a short one. */
  readonly isAbsolute: boolean
}

/** Reads `Host` or `:authority`; what is no host and port comes back as a name that nothing has. */
export function parseAuthority(authority: string): AuthorityName {
  const host = withoutPort(authority).toLowerCase()
  const isAbsolute = host.endsWith('.')
  return { name: isAbsolute ? host.slice(0, -1) : host, isAbsolute }
}

function withoutPort(authority: string): string {
  if (authority.startsWith('[')) {
    const end = authority.indexOf(']')
    return end < 0 ? authority : authority.slice(1, end)
  }
  const colon = authority.lastIndexOf(':')
  // more than one colon without brackets is an IPv6 address
  if (colon < 0 || authority.indexOf(':') !== colon) return authority
  return isDigits(authority, colon + 1) ? authority.slice(0, colon) : authority
}

function isDigits(text: string, from: number): boolean {
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code < 48 || code > 57) return false
  }
  return true
}
