import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { Host } from '../netns/host.ts'
import type { LoadResult, LoadTools } from './types.ts'

/** The user that the load generators run as: to Weft it is a workload with an identity of its own. */
export const clientUid = 4242

/** wrk, h2load, and the open-loop client compiled into `directory`. They throw with what the program said when it fails. */
export function loadTools(client: Host, directory: string): LoadTools {
  const pacedBinary = join(directory, 'paced')
  execFileSync('cc', ['-O2', '-o', pacedBinary, join(import.meta.dirname, 'paced.c')])
  const run = (file: string, args: readonly string[], seconds: number) =>
    client.must(file, args, { uid: clientUid, timeoutMs: (seconds + 15) * 1000 })
  return {
    async wrk({ address, port }, path, seconds, { connections, headers = [] }) {
      const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '--timeout', '10s']
      for (const header of headers) args.push('-H', header)
      return parseWrk(await run('wrk', [...args, `http://${address}:${port}${path}`], seconds))
    },
    async h2load({ address, port }, path, seconds, { connections, streams }) {
      const args = ['-t1', `-c${connections}`, `-m${streams}`, `-D${seconds}`, '--connection-active-timeout=30s']
      return parseH2load(await run('h2load', [...args, `http://${address}:${port}${path}`], seconds), seconds)
    },
    async paced({ address, port }, path, seconds, { perSecond, connections }) {
      const args = [perSecond, seconds, connections, address, port, path].map(String)
      return parsePaced(await run(pacedBinary, args, seconds), seconds)
    },
  }
}

/** What `wrk --latency` prints. */
export function parseWrk(text: string): LoadResult {
  const [, requests, seconds = '', unit = 's'] = /(\d+) requests in ([\d.]+)(m?s|m)/.exec(text) ?? []
  if (requests === undefined) throw new Error(`wrk printed no result:\n${text}`)
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text) ?? []
  const [, refused = '0'] = /Non-2xx or 3xx responses: (\d+)/.exec(text) ?? []
  return {
    requests: Number(requests),
    seconds: milliseconds(seconds, unit) / 1000,
    p50Ms: percentile(text, 50),
    p99Ms: percentile(text, 99),
    errors: socketErrors.slice(1).reduce((sum, count) => sum + Number(count), Number(refused)),
  }
}

function percentile(text: string, share: number): number {
  const [, value = '0', unit = 'ms'] = new RegExp(`^\\s+${share}%\\s+([\\d.]+)(us|ms|s|m)$`, 'm').exec(text) ?? []
  return milliseconds(value, unit)
}

function milliseconds(value: string, unit: string): number {
  const factors: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 }
  return Number(value) * (factors[unit] ?? 1)
}

/** What `paced` prints, microseconds. */
export function parsePaced(text: string, seconds: number): LoadResult {
  const field = (name: string) => Number(new RegExp(`\\b${name}=([\\d.]+)`).exec(text)?.[1] ?? Number.NaN)
  const [requests, errors, p50, p99] = [field('n'), field('err'), field('p50'), field('p99')]
  if (Number.isNaN(requests)) throw new Error(`paced printed no result:\n${text}`)
  return { requests, seconds, p50Ms: p50 / 1000, p99Ms: p99 / 1000, errors }
}

/** What `h2load -D` prints. It gives no percentiles: the mean and the largest stand for them. */
export function parseH2load(text: string, seconds: number): LoadResult {
  const [, done, succeeded, failed, errored, timedOut] =
    /requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(
      text,
    ) ?? []
  const [, slowest = '0', slowestUnit = 'ms', mean = '0', meanUnit = 'ms'] =
    /time for request:\s+\S+\s+([\d.]+)(us|ms|s)\s+([\d.]+)(us|ms|s)/.exec(text) ?? []
  if (done === undefined) throw new Error(`h2load printed no result:\n${text}`)
  return {
    requests: Number(succeeded),
    seconds,
    p50Ms: milliseconds(mean, meanUnit),
    p99Ms: milliseconds(slowest, slowestUnit),
    errors: Number(failed) + Number(errored) + Number(timedOut),
  }
}
