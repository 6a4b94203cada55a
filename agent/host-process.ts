import { cpu, mem, osInfo, system } from 'systeminformation'
import { foregroundClock, sleep } from '../mesh/std/clock.ts'

/**
 * Entry of a process that finds out what the host says about itself and prints it as JSON, what is known after four
 * seconds. In the agent's own process the library and what it reads would stay in memory for good.
 */
const patienceMs = 4_000
const facts: Record<string, string> = {}

async function learn(read: () => Promise<Record<string, string>>): Promise<void> {
  try {
    Object.assign(facts, await read())
  } catch (error) {
    process.stderr.write(`${error}\n`)
  }
}

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
await Promise.race([learning, sleep(foregroundClock, patienceMs, new AbortController().signal)])
process.stdout.write(JSON.stringify(facts), () => process.exit())
