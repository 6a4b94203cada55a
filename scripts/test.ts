import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { ensureTools, testTools } from './debian-packages.ts'

/**
 * `npm test [files]`: installs what the tests need where it may, runs all of them (or the named ones), and ends in the
 * line `N passed, N failed`, counted from what tap reports.
 */
const resultsFile = '.tap/results.tap'

ensureTools(testTools)
mkdirSync('.tap', { recursive: true })
rmSync(resultsFile, { force: true })
// After a fresh install the first run would still use tap's default plugins.
const build = spawnSync('tap', ['build'], { encoding: 'utf8' })
if (build.status !== 0) {
  console.error(build.stdout + build.stderr)
  process.exit(1)
}
const files = process.argv.slice(2)
const { status } = spawnSync('tap', ['run', '--reporter=terse', `--output-file=${resultsFile}`, ...files], {
  stdio: 'inherit',
})

const lines = readFileSync(resultsFile, 'utf8').split('\n')
const tests = lines.filter(line => /^\s+(?:not )?ok \d+ .*# time=/.test(line))
let failed = tests.filter(line => /^\s+not ok/.test(line)).length
const passed = tests.length - failed
const skipped = lines.filter(line => /^\s+ok .*# (?:SKIP|TODO)/i.test(line))
if (status !== 0 && failed === 0) failed = Math.max(1, lines.filter(line => /^not ok/.test(line)).length)
for (const line of lines.filter(line => /^\s*not ok/.test(line))) console.log(line.trim())
if (skipped.length > 0) {
  console.log(`${skipped.length} tests were skipped; a skipped test is a failed one`)
  failed += skipped.length
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
