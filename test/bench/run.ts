import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { loadTools } from './load.ts'
import { cpuNanoseconds, machineNanoseconds, median, rssMiB } from './measure.ts'
import type { LoadTools, Row, RunningSubject, Sample, Scenario, Subject } from './types.ts'
import type { BenchWorld } from './world.ts'

export interface RunOptions {
  readonly repeat: number
  readonly seconds: number
  readonly scenarios: readonly Scenario[]
  readonly subjects: readonly Subject[]
  /** Told what is measured next. */
  progress(text: string): void
}

/** A load of this length goes before each measurement: compilers and buffers are warm, sessions are open. */
const warmUpSeconds = 1

/**
 * Measures all subjects under all loads. Repetitions are interleaved: every subject has its turn in each round, forward
 * and then backward, so that a machine that slows down does so for all. Each turn has a fresh pair of processes.
 */
export async function runBench(world: BenchWorld, options: RunOptions): Promise<readonly Row[]> {
  const load = loadTools(world.hosts.client, world.directory)
  const samples = new Map<string, Sample[]>()
  for (let round = 0; round < options.repeat; round += 1) {
    for (const subject of round % 2 === 0 ? options.subjects : options.subjects.toReversed()) {
      options.progress(`round ${round + 1} of ${options.repeat}: ${subject.name}`)
      const directory = join(world.directory, `${subject.name}-${round}`)
      mkdirSync(directory)
      const running = await subject.start({ ...world, directory })
      try {
        for (const scenario of options.scenarios) {
          const sample = await measure(load, running, scenario, options.seconds)
          const key = keyOf(scenario, subject)
          samples.set(key, [...(samples.get(key) ?? []), sample])
        }
      } finally {
        await running.stop()
      }
    }
  }
  return options.scenarios.flatMap(scenario =>
    options.subjects.map(subject => rowOf(scenario.name, subject.name, samples.get(keyOf(scenario, subject)) ?? [])),
  )
}

function keyOf(scenario: Scenario, subject: Subject): string {
  return `${scenario.name} ${subject.name}`
}

async function measure(
  load: LoadTools,
  { target, outbound, inbound }: RunningSubject,
  scenario: Scenario,
  seconds: number,
): Promise<Sample> {
  const proxies = [...outbound, ...inbound]
  const warm = await scenario.run(load, target, warmUpSeconds)
  const [cpuBefore, machineBefore] = [cpuNanoseconds(proxies), machineNanoseconds()]
  const result = await scenario.run(load, target, seconds)
  const [cpu, machine] = [cpuNanoseconds(proxies) - cpuBefore, machineNanoseconds() - machineBefore]
  const requests = Math.max(1, result.requests)
  return {
    requestsPerSecond: result.requests / result.seconds,
    cpuUsPerRequestPerHop: cpu / 1000 / requests / 2,
    cpuSecondsPerGiB: cpu / 1e9 / ((requests * scenario.bodyBytes) / 2 ** 30),
    machineUsPerRequest: machine / 1000 / requests,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    rssMiB: Math.max(rssMiB(outbound), rssMiB(inbound)),
    errors: warm.errors + result.errors,
  }
}

function rowOf(scenario: string, subject: string, samples: readonly Sample[]): Row {
  const of = (pick: (sample: Sample) => number) => median(samples.map(pick))
  const costs = samples.map(sample => sample.cpuUsPerRequestPerHop || sample.requestsPerSecond)
  return {
    scenario,
    subject,
    requestsPerSecond: of(sample => sample.requestsPerSecond),
    cpuUsPerRequestPerHop: of(sample => sample.cpuUsPerRequestPerHop),
    cpuSecondsPerGiB: of(sample => sample.cpuSecondsPerGiB),
    machineUsPerRequest: of(sample => sample.machineUsPerRequest),
    p50Ms: of(sample => sample.p50Ms),
    p99Ms: of(sample => sample.p99Ms),
    rssMiB: of(sample => sample.rssMiB),
    errors: samples.reduce((sum, sample) => sum + sample.errors, 0),
    spread: (Math.max(...costs) - Math.min(...costs)) / 2 / median(costs),
  }
}
