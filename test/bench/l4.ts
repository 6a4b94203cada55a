import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Started } from '../../mesh/std/lifecycle.ts'
import { benchTools, ensureTools } from '../../scripts/debian-packages.ts'
import { ratiosOf } from './ratios.ts'
import { formatReport } from './report.ts'
import { runBench } from './run.ts'
import { scenarios } from './scenarios.ts'
import { direct } from './subjects/direct.ts'
import { envoyHbone, envoyTcp } from './subjects/envoy.ts'
import { haproxy } from './subjects/haproxy.ts'
import { nginx } from './subjects/nginx.ts'
import { weft } from './subjects/weft.ts'
import { createBenchWorld } from './world.ts'

/**
 * `l4 [--json] [--repeat 3] [--seconds 3] [--only weft,haproxy-tcp] [--scenario keep-alive,bulk]`: measures Weft beside
 * other proxies in network namespaces. Needs root. What it measures and how: docs/performance.md.
 */
export async function benchL4(args: readonly string[]): Promise<void> {
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
  const chosenScenarios = choose('--scenario', scenarios, values.scenario)
  const names = choose(
    '--only',
    subjectNames.map(name => ({ name })),
    values.only,
  ).map(({ name }) => name)

  // What it installs goes to the error channel: with --json, standard output is one document.
  ensureTools(benchTools, text => console.error(text))
  // What is installed is what is measured.
  execFileSync(process.execPath, ['scripts/build.ts'], { cwd: join(import.meta.dirname, '../..'), stdio: 'inherit' })
  const started = new Started()
  try {
    const world = await createBenchWorld({ teardown: stop => started.add(stop) })
    const all = [direct, weft(world.mesh), haproxy, nginx, envoyTcp, envoyHbone]
    const rows = await runBench(world, {
      repeat,
      seconds,
      scenarios: chosenScenarios,
      subjects: all.filter(subject => names.includes(subject.name)),
      progress: text => console.error(text),
    })
    const ratios = ratiosOf(rows)
    console.log(values.json ? JSON.stringify({ rows, ratios }) : formatReport(rows, ratios, chosenScenarios))
  } finally {
    await started.stop()
  }
}

const subjectNames = ['direct', 'weft', 'haproxy-tcp', 'nginx-stream', 'envoy-tcp', 'envoy-hbone']

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
