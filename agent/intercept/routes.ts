import { MeshError } from '../../mesh/std/errors.ts'
import { checkedRange, familyOf } from './addresses.ts'
import type { Family } from './plan.ts'
import type { Tools } from './tools.ts'

/**
 * Routes for virtual addresses. A connection needs a route before any rule sees its first packet; on a host whose
 * routing table has none, `connect` says "network is unreachable" and nothing is captured.
 */

/** Our own routing protocol number: how we know our routes again without any memory. */
const routeProtocol = '157'

/**
 * Adds a route through the loopback device for each range that no other route covers. Gives the ranges it added.
 * The source address matters: without one the kernel picks 0.0.0.0 and the connection hangs. It is not a route of
 * type `local`: with the rules gone that would hand the traffic to whatever listens on all addresses.
 */
export async function ensureRoutes(tools: Tools, ranges: readonly string[]): Promise<readonly string[]> {
  const added: string[] = []
  for (const range of ranges.map(checkedRange)) {
    const family = familyOf(range)
    if (await isRouted(tools, range, family)) continue
    const source = family === 4 ? '127.0.0.1' : '::1'
    await tools.run('ip', [`-${family}`, 'route', 'replace', range, 'dev', 'lo', 'src', source, 'proto', routeProtocol])
    added.push(range)
  }
  return added
}

/** Removes the routes of ours whose range is not in `keep`, in both families. */
export async function removeRoutes(tools: Tools, keep: readonly string[] = []): Promise<void> {
  const kept = new Set(keep.map(checkedRange))
  for (const family of ['-4', '-6']) {
    for (const line of (await tools.run('ip', [family, 'route', 'show', 'proto', routeProtocol])).split('\n')) {
      const range = line.split(' ')[0] ?? ''
      if (range === '' || kept.has(range)) continue
      await tools.run('ip', [family, 'route', 'delete', range, 'proto', routeProtocol])
    }
  }
}

async function isRouted(tools: Tools, range: string, family: Family): Promise<boolean> {
  const address = range.split('/')[0] ?? ''
  try {
    const answer = await tools.run('ip', [`-${family}`, 'route', 'get', address])
    return !/unreachable|blackhole|prohibit/.test(answer)
  } catch (error) {
    if (error instanceof MeshError && /unreachable|no route|denied|invalid/i.test(String(error.fields.said)))
      return false
    throw error
  }
}
