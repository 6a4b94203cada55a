import { join } from 'node:path'
import type { AgentStatus } from '../../agent/admin/status.ts'
import { until } from '../support/eventually.ts'
import type { Host, RunOptions } from './host.ts'
import type { Mesh } from './mesh.ts'

/** What tests ask of a running mesh and of the programs in it. */

type Line = Readonly<Record<string, unknown>>

/** Runs `programs/call.ts` on a host and gives its one line. */
export async function call(
  host: Host,
  kind: string,
  to: { readonly host: string; readonly port: number },
  said = '',
  options: RunOptions = {},
): Promise<string> {
  const program = join(import.meta.dirname, 'programs/call.ts')
  return (await host.must(process.execPath, [program, kind, to.host, String(to.port), said], options)).trimEnd()
}

/** Runs `programs/serve.ts` on a host until the end of the world: `http=8080`. */
export async function serve(
  host: Host,
  name: string,
  address: string,
  kinds: readonly string[],
  options: RunOptions = {},
) {
  const program = join(import.meta.dirname, 'programs/serve.ts')
  const running = host.spawn(process.execPath, [program, name, address, ...kinds], options)
  await running.line('listening')
  return running
}

/** `curl` with an end to its patience: what it printed, or `curl <exit code>`. */
export async function curl(host: Host, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout } = await host.exec('curl', ['-sS', '--max-time', '10', ...args], options)
  return code === 0 ? stdout.trimEnd() : `curl ${code}`
}

/** What {@link curl} gives for a connection that was reset. */
export const reset = 'curl 56'

/** What an agent says on its admin socket. */
export async function agentStatus<Name extends string>(mesh: Mesh<Name>, name: Name): Promise<AgentStatus> {
  const args = ['-sS', '--max-time', '5', '--unix-socket', join(mesh.directory, `${name}.sock`), 'http://agent/status']
  return JSON.parse(await mesh.hosts[name].must('curl', args))
}

/** The sum of one metric of an agent over all label sets that contain the text. */
export async function agentMetric(host: Host, metric: string, labels = ''): Promise<number> {
  const all = await host.must('curl', ['-sS', '--max-time', '5', 'http://127.0.0.1:15020/metrics'])
  const lines = all.split('\n').filter(line => line.startsWith(metric) && line.includes(labels))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

/** Waits for an access-log line with these fields, and gives it. */
export async function logged<Name extends string>(mesh: Mesh<Name>, name: Name, fields: Line): Promise<Line> {
  let found: Line | undefined
  await until(`${name} has logged ${JSON.stringify(fields)}`, () => {
    found = mesh.accessLog(name).findLast(line => Object.entries(fields).every(([key, value]) => line[key] === value))
    return found !== undefined
  })
  return found ?? {}
}
