import { join } from 'node:path'
import { eventually } from '../support/eventually.ts'
import type { Host, RunOptions } from './host.ts'
import type { LoadCounts } from './programs/load.ts'

/** Calls that go on while things break. */
export interface Load<Class extends string> {
  /** Counts since the report before, once every call of that time has come to its end. */
  report(): Promise<Readonly<Record<Class, Readonly<LoadCounts>>>>
  stop(): Promise<void>
}

/**
 * A class of calls: to an echo service `new@host/port` for a connection each, `kept@host/port` for one connection for all;
 * `http@host/port` for an HTTP request on a connection each.
 */
type Target = `${'new' | 'kept' | 'http'}@${string}/${number}`

/** Starts `programs/load.ts` on a host: one call of each class every 40 ms or as said, none of them ever tried twice. */
export async function startLoad<Class extends string>(
  host: Host,
  classes: Readonly<Record<Class, Target>>,
  { everyMs = 40, ...options }: RunOptions & { readonly everyMs?: number } = {},
): Promise<Load<Class>> {
  const program = join(import.meta.dirname, 'programs/load.ts')
  const targets = Object.entries(classes).map(([name, target]) => `${name}=${target}`)
  const running = host.spawn(process.execPath, [program, String(everyMs), ...targets], options)
  await running.line('loading')
  return {
    async report() {
      const before = running.lines('{').length
      running.write('report\n')
      return await eventually(() => {
        const line = running.lines('{')[before]
        if (line === undefined) throw new Error(`no report of the load: ${running.output.stderr}`)
        return JSON.parse(line)
      }, 15_000)
    },
    stop: () => running.kill(),
  }
}

/** How many calls failed, whatever the reason. */
export function failures(counts: Readonly<LoadCounts>): number {
  return Object.values(counts.failed).reduce((sum, count) => sum + count, 0)
}
