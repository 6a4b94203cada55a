import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Started } from '../../mesh/std/lifecycle.ts'
import { benchTools, ensureTools } from '../../scripts/debian-packages.ts'
import { type Goal, ratiosOf } from './ratios.ts'
import { formatReport } from './report.ts'
import { runBench } from './run.ts'
import type { Scenario, Subject } from './types.ts'
import { type BenchWorld, createBenchWorld } from './world.ts'

/** What one of the benches that compare proxies measures. */
export interface Suite {
  /** What callers speak to the backend, and where it listens. */
  readonly protocol: 'tcp' | 'http' | 'http2'
  readonly scenarios: readonly Scenario[]
  readonly goals: readonly Goal[]
  /** Their names, in the order in which they are measured and printed. */
  readonly subjectNames: readonly string[]
  subjects(world: BenchWorld): readonly Subject[]
}

/**
 * `[--json] [--repeat 3] [--seconds 3] [--only weft,direct] [--scenario keep-alive]`: measures Weft beside other proxies
 * in network namespaces. Needs root. What it measures and how: docs/performance.md.
 */
export async function runSuite(suite: Suite, args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      repeat: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '3' },
      only: { type: 'string' },
      scenario: { type: 'string' },
    },
  })
  const [repeat, seconds] = [wholeNumber('--repeat', values.repeat), wholeNumber('--seconds', values.seconds)]
  const chosenScenarios = choose('--scenario', suite.scenarios, values.scenario)
  const names = choose(
    '--only',
    suite.subjectNames.map(name => ({ name })),
    values.only,
  ).map(({ name }) => name)

  // What it installs goes to the error channel: with --json, standard output is one document.
  ensureTools(benchTools, text => console.error(text))
  // What is installed is what is measured.
  execFileSync(process.execPath, ['scripts/build.ts'], { cwd: join(import.meta.dirname, '../..'), stdio: 'inherit' })
  const started = new Started()
  try {
    const world = await createBenchWorld({ teardown: stop => started.add(stop) }, suite.protocol)
    const rows = await runBench(world, {
      repeat,
      seconds,
      scenarios: chosenScenarios,
      subjects: suite.subjects(world).filter(subject => names.includes(subject.name)),
      progress: text => console.error(text),
    })
    const ratios = ratiosOf(suite.goals, rows)
    console.log(values.json ? JSON.stringify({ rows, ratios }) : formatReport(rows, ratios, chosenScenarios))
  } finally {
    await started.stop()
  }
}

function wholeNumber(flag: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`${flag} must be a whole number from 1 on`)
  return value
}

/** Those named in a comma-separated list, in their own order; all without one. */
function choose<T extends { readonly name: string }>(
  flag: string,
  all: readonly T[],
  list: string | undefined,
): readonly T[] {
  if (list === undefined) return all
  const wanted = list.split(',')
  const unknown = wanted.find(name => all.every(one => one.name !== name))
  if (unknown !== undefined) throw new Error(`${flag}: no ${unknown}; there are ${all.map(one => one.name).join(', ')}`)
  return all.filter(one => wanted.includes(one.name))
}
