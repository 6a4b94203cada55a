import { cpu, mem, osInfo, system } from 'systeminformation'
import { type Clock, sleep } from '../mesh/std/clock.ts'
import { describeError } from '../mesh/std/errors.ts'
import type { Log } from '../mesh/std/log.ts'

const deadlineMs = 5_000

/**
 * What this host says about itself, for `weft status`: `os`, `kernel`, `arch`, `cpu`, `cores`, `memory` (MiB),
 * `virtualisation`. Facts that cannot be found out within five seconds are left out; nothing is decided by them.
 */
export async function hostFacts(deps: { readonly clock: Clock; readonly log: Log }): Promise<Record<string, string>> {
  const facts: Record<string, string> = {}
  const learn = async (read: () => Promise<Record<string, string>>) => {
    try {
      const found = await read()
      for (const [name, value] of Object.entries(found)) if (value !== '') facts[name] = clean(value)
    } catch (error) {
      deps.log.debug('a host fact is unknown', { reason: describeError(error) })
    }
  }
  const done = new AbortController()
  const learning = Promise.all([
    learn(async () => {
      const { distro, release, kernel, arch } = await osInfo()
      return { os: `${distro} ${release}`.trim(), kernel, arch }
    }),
    learn(async () => {
      const { brand, cores } = await cpu()
      return { cpu: brand, cores: String(cores) }
    }),
    learn(async () => ({ memory: String(Math.round((await mem()).total / 2 ** 20)) })),
    learn(async () => {
      const { virtual, virtualHost } = await system()
      return { virtualisation: virtual ? (virtualHost ?? 'yes') : 'none' }
    }),
  ])
  await Promise.race([learning, sleep(deps.clock, deadlineMs, done.signal)])
  done.abort()
  // A copy: what is learnt too late must not change what was said.
  return { ...facts }
}

/** Firmware strings may hold anything; the wire takes text of one line. */
function clean(value: string): string {
  return value
    .replace(/[\p{Cc}\u2028\u2029\ufffd]/gu, ' ')
    .trim()
    .slice(0, 200)
}
