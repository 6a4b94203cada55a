import type { Host } from '../../netns/host.ts'
import { processTree } from '../measure.ts'
import { smallBody } from '../scenarios.ts'
import type { Address, BenchHosts, RunningSubject } from '../types.ts'

/** Where the proxies of others listen: outbound on the client's loopback, inbound on the server's end of the cable. */
export const outboundListener: Address = { address: '127.0.0.1', port: 9101 }
export const inboundPort = 9102

/** What callers speak. */
export type Speaks = 'http1' | 'http2'

export interface Command {
  readonly file: string
  readonly args: readonly string[]
}

/** Runs one proxy on each host, waits until a request passes through both, and ends them in the end. */
export async function startPair(
  { client, server }: BenchHosts,
  cwd: string,
  commands: { readonly outbound: Command; readonly inbound: Command },
  speaks: Speaks = 'http1',
): Promise<RunningSubject> {
  const inbound = server.spawn(commands.inbound.file, commands.inbound.args, { cwd })
  const outbound = client.spawn(commands.outbound.file, commands.outbound.args, { cwd })
  const stop = async () => {
    await Promise.all([outbound, inbound].map(process => process.kill('SIGTERM')))
  }
  try {
    await untilServed(client, outboundListener, speaks)
  } catch (error) {
    await stop()
    throw new Error(`${JSON.stringify(outbound.output)}\n${JSON.stringify(inbound.output)}`, { cause: error })
  }
  return { target: outboundListener, outbound: processTree(outbound.pid), inbound: processTree(inbound.pid), stop }
}

/** Waits until the target answers a request from the client host. */
export async function untilServed(
  client: Host,
  { address, port }: Address,
  speaks: Speaks,
  uid?: number,
): Promise<void> {
  const url = `http://${address}:${port}${smallBody.path}`
  const version = speaks === 'http2' ? ['--http2-prior-knowledge'] : []
  const retry = ['--retry', '100', '--retry-all-errors', '--retry-delay', '0', '--retry-max-time', '15']
  await client.must(
    'curl',
    ['-sf', '-o', '/dev/null', '--max-time', '20', ...version, ...retry, url],
    uid === undefined ? {} : { uid },
  )
}
