import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import type { Clock } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import { Started } from '../../mesh/std/lifecycle.ts'
import type { Family, SelfMatch } from './plan.ts'
import { selfRule } from './rules.ts'
import type { Tables } from './tables.ts'

const patienceMs = 3_000

/**
 * Proves by a real connection that the kernel exempts this process: a probe rule would redirect the connection, unless
 * the exemption in front of it holds. Throws `WEFT_CAPTURE` when the connection was redirected: the agent would
 * capture its own traffic, in circles.
 */
export async function proveExemption(tables: readonly Tables[], self: SelfMatch, clock: Clock): Promise<void> {
  for (const table of tables) {
    if (table.family === 6 && !hasIpv6()) continue
    await proveFamily(table, self, clock)
  }
}

/** False on a host whose IPv6 is switched off, down to the loopback address. */
export function hasIpv6(): boolean {
  try {
    return readFileSync('/proc/net/if_inet6', 'utf8').includes('00000000000000000000000000000001 ')
  } catch {
    return false
  }
}

async function proveFamily(table: Tables, self: SelfMatch, clock: Clock): Promise<void> {
  const started = new Started()
  try {
    const [meant, trap] = [await listen(table.family, started), await listen(table.family, started)]
    const host = loopback(table.family)
    const rules = [
      `${selfRule(self)} -j RETURN`,
      `-d ${host} -p tcp -m tcp --dport ${meant.port} -j REDIRECT --to-ports ${trap.port}`,
    ]
    const reached = await table.probe(rules, () =>
      reach(host, meant.port, { meant: meant.server, trap: trap.server }, clock),
    )
    if (reached === 'meant') return
    throw new MeshError('WEFT_CAPTURE', 'the self-test failed: the agent would capture its own connections', {
      fields: { self, family: table.family, reached },
      next: 'check that cgroup v2 matching works in this kernel, or run the agent as a user of its own',
    })
  } finally {
    await started.stop()
  }
}

async function listen(family: Family, started: Started): Promise<{ server: Server; port: number }> {
  const server = createServer(socket => socket.destroy())
  server.listen(0, loopback(family))
  await once(server, 'listening')
  started.add(() => server.close())
  return { server, port: (server.address() as AddressInfo).port }
}

/** Dials, and tells which of the two servers it came to. */
async function reach(
  host: string,
  port: number,
  servers: { readonly meant: Server; readonly trap: Server },
  clock: Clock,
): Promise<'meant' | 'trap' | 'none'> {
  const started = new Started()
  try {
    return await new Promise(resolve => {
      servers.meant.once('connection', () => resolve('meant'))
      servers.trap.once('connection', () => resolve('trap'))
      const timer = clock.timer(patienceMs, () => resolve('none'))
      started.add(() => timer.cancel())
      const socket = connect(port, host)
      socket.on('error', () => {})
      started.add(() => socket.destroy())
    })
  } finally {
    await started.stop()
  }
}

function loopback(family: Family): string {
  return family === 4 ? '127.0.0.1' : '::1'
}
