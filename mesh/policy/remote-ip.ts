import { isIP } from 'node:net'
import { isField } from '../routing/header-fields.ts'

/**
 * The client before all proxies, as `remote.ip` and `remoteIpBlocks` mean it: the last address of X-Forwarded-For, or the
 * connection's other end where that is no address. Everything before the last one is what a client says of itself.
 */
export function remoteIpOf(headers: readonly string[], sourceIp: string): string {
  for (let at = headers.length - 2; at >= 0; at -= 2) {
    if (!isField(headers[at], 'x-forwarded-for')) continue
    const value = headers[at + 1] ?? ''
    const last = withoutMapping(value.slice(value.lastIndexOf(',') + 1).trim())
    return isIP(last) === 0 ? sourceIp : last
  }
  return sourceIp
}

/** `::ffff:10.0.0.1` is the IPv4 address. */
function withoutMapping(address: string): string {
  const prefix = '::ffff:'
  const rest = address.slice(prefix.length)
  return address.slice(0, prefix.length).toLowerCase() === prefix && isIP(rest) === 4 ? rest : address
}
