import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'

/** What of a resolv.conf concerns us (resolv.conf(5)). */
export interface ResolvConf {
  /** Addresses of name servers in order, without zones, at most the three a libc would ask. */
  readonly servers: readonly string[]
}

/** Reads resolv.conf text. Lines that make no sense are skipped, as every libc does. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = []
  for (const line of text.split('\n')) {
    const [keyword, value = ''] = line.trim().split(/\s+/)
    // a zone names an interface and only link-local servers have one: those are not reachable by address alone
    if (keyword === 'nameserver' && isIP(value) !== 0 && !value.includes('%')) servers.push(value)
  }
  return { servers: servers.slice(0, 3) }
}

/** Reads the file; one that is missing or unreadable lists nothing. */
export function readResolvConf(path: string): ResolvConf {
  try {
    return parseResolvConf(readFileSync(path, 'utf8'))
  } catch {
    return { servers: [] }
  }
}
