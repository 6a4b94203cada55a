import { spawnSync } from 'node:child_process'

/** `npm run check`: everything that reads the sources without running them. All steps run; any failure fails. */
const steps: readonly (readonly [title: string, command: string, ...args: string[]])[] = [
  ['types', 'tsc'],
  ['lint and format', 'biome', 'check', '.'],
  ['unused exports and dependencies', 'knip', '--no-progress'],
  ['import directions and file sizes', 'node', 'scripts/structure.ts'],
]

const failed: string[] = []
for (const [title, command, ...args] of steps) {
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${title}`)
  if (status !== 0) failed.push(title)
}
console.log(failed.length === 0 ? 'check is clean' : `check failed: ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1
