import { fork } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { type CatalogueLoad, type CatalogueResult, runCatalogue } from './run.ts'

const goalP99Ms = 300
/** Ten times the catalogue may cost this much more per change: a logarithm's part, and room for caches. */
const goalGrowth = 2

/**
 * `catalogue [--json] [--seconds 20] [--rate 100] [--seed 1]`: from registry events to the published catalogue, with
 * 1,000 services and 10,000 endpoints in four registries, and with a tenth and ten times of that to see what a change
 * costs as the catalogue grows. Each size runs in a process of its own.
 */
export async function benchCatalogue(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      seconds: { type: 'string', default: '20' },
      rate: { type: 'string', default: '100' },
      seed: { type: 'string', default: '1' },
    },
  })
  const results: CatalogueResult[] = []
  for (const services of [100, 1000, 10_000]) {
    console.error(`${services} services, ${10 * services} endpoints`)
    results.push(
      await inProcess({
        services,
        endpoints: services * 10,
        registries: 4,
        changesPerSecond: Number(values.rate),
        seconds: Number(values.seconds),
        seed: Number(values.seed),
      }),
    )
  }
  console.log(values.json ? JSON.stringify(results) : formatResults(results))
}

async function inProcess(load: CatalogueLoad): Promise<CatalogueResult> {
  const child = fork(import.meta.filename, [], {
    execArgv: ['--expose-gc'],
    env: { ...process.env, WEFT_BENCH_CHILD: '1' },
  })
  child.send(load)
  const [result] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the measuring process ended with ${code}`)
    }),
  ])
  child.kill()
  return result
}

function formatResults(results: readonly CatalogueResult[]): string {
  const columns = [
    'endpoints',
    'cold ms',
    'p50 ms',
    'p99 ms',
    'max ms',
    'CPU ms/change',
    'CPU %',
    'heap MiB',
    'RSS MiB',
  ]
  const rows = results.map(({ load, ...result }) => [
    String(load.endpoints),
    result.coldMs.toFixed(0),
    result.p50.toFixed(1),
    result.p99.toFixed(1),
    result.max.toFixed(1),
    result.cpuMsPerChange.toFixed(2),
    result.cpuPercent.toFixed(0),
    result.heapMiB.toFixed(0),
    result.rssMiB.toFixed(0),
  ])
  const widths = columns.map((title, at) => Math.max(title.length, ...rows.map(row => row[at]?.length ?? 0)))
  const line = (cells: readonly string[]) => cells.map((cell, at) => cell.padStart(widths[at] ?? 0)).join('  ')
  const [small, middle, large] = results
  if (small === undefined || middle === undefined || large === undefined) return ''
  const verdict = (good: boolean) => (good ? 'met' : 'missed')
  const growth = large.cpuMsPerChange / middle.cpuMsPerChange
  const { changesPerSecond, registries, seconds } = middle.load
  return [
    `${changesPerSecond} changes/s from ${registries} registries for ${seconds} s`,
    line(columns),
    ...rows.map(line),
    `catalogue.p99 at 10,000 endpoints  ${middle.p99.toFixed(1)} ms <= ${goalP99Ms} ms  ${verdict(middle.p99 <= goalP99Ms)}`,
    `catalogue.growth, ten times the endpoints  ${growth.toFixed(2)} <= ${goalGrowth}  ${verdict(growth <= goalGrowth)}`,
  ].join('\n')
}

if (process.env.WEFT_BENCH_CHILD === '1') {
  // a listener that stays keeps the process alive: the clock's timers do not
  process.on('message', async (load: CatalogueLoad) => {
    process.send?.(await runCatalogue(load))
  })
}
