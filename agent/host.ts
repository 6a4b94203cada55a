import { execFile } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Clock, sleep } from '../mesh/std/clock.ts'
import { describeError } from '../mesh/std/errors.ts'
import type { Log } from '../mesh/std/log.ts'

const deadlineMs = 5_000
const run = promisify(execFile)

type Facts = Readonly<Record<string, string>>

/**
 * What this host says about itself, for `weft status`: `os`, `kernel`, `arch`, `cpu`, `cores`, `memory` (MiB),
 * `virtualisation`. Facts that cannot be found out within five seconds are left out; nothing is decided by them.
 */
export async function hostFacts(deps: { readonly clock: Clock; readonly log: Log }): Promise<Facts> {
  const done = new AbortController()
  const late = sleep(deps.clock, deadlineMs, done.signal).then((): Facts => ({}))
  const asked = ask(deps.log, done.signal).catch((error): Facts => {
    if (!done.signal.aborted) deps.log.debug('host facts are unknown', { reason: describeError(error) })
    return {}
  })
  const facts = await Promise.race([asked, late])
  done.abort()
  return facts
}

/** Asks a process of its own, which ends when it has answered or the signal aborts. */
async function ask(log: Log, signal: AbortSignal): Promise<Facts> {
  const entry = fileURLToPath(new URL(`./host-process${extname(import.meta.filename)}`, import.meta.url))
  const { stdout, stderr } = await run(process.execPath, ['--no-warnings', entry], { signal, killSignal: 'SIGKILL' })
  if (stderr !== '') log.debug('some host facts are unknown', { reason: stderr.slice(0, 500) })
  const found: unknown = JSON.parse(stdout)
  const facts: Record<string, string> = {}
  if (typeof found !== 'object' || found === null) return facts
  for (const [name, value] of Object.entries(found)) {
    if (typeof value === 'string' && value !== '') facts[name] = clean(value)
  }
  return facts
}

/** Firmware strings may hold anything; the wire takes text of one line. */
function clean(value: string): string {
  return value
    .replace(/[\p{Cc}\u2028\u2029\ufffd]/gu, ' ')
    .trim()
    .slice(0, 200)
}
