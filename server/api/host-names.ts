import { isIP } from 'node:net'
import { apiHostName } from '../../mesh/identity/api-token.ts'

/**
 * Says of a `Host` header whether the API may be called so: by any address, as `localhost`, as our own clients do, or by
 * one of these names. A page whose name was made to lead here (DNS rebinding) calls by its own name, which it cannot change.
 */
export function createHostCheck(names: readonly string[]): (header: string | undefined) => boolean {
  const known = new Set(['localhost', apiHostName, ...names].map(plain))
  return header => {
    const [, bracketed, name = ''] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]@/\s]+))(?::\d{1,5})?$/.exec(header ?? '') ?? []
    if (bracketed !== undefined) return isIP(bracketed) === 6
    return isIP(name) === 4 || known.has(plain(name))
  }
}

function plain(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}
