import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { ensureTools, testTools } from './debian-packages.ts'

/**
 * `npm test [-- files]`: installs what the tests need where it may, runs all of them (or the named ones), shows a line
 * per file and everything of a file that failed, and ends in the line `N passed, N failed`, counted from what tap
 * reports.
 */
ensureTools(testTools)
// After a fresh install the first run would still use tap's default plugins.
const build = spawnSync('tap', ['build'], { encoding: 'utf8' })
if (build.status !== 0) {
  console.error(build.stdout + build.stderr)
  process.exit(1)
}

const tap = spawn('tap', ['run', '--reporter=tap', ...process.argv.slice(2)], { stdio: ['ignore', 'pipe', 'inherit'] })
let passed = 0
let failed = 0
/** Lines of the file that is running. */
let file: string[] = []
for await (const line of createInterface({ input: tap.stdout })) {
  const test = /^(\s*)(not )?ok \d+ - (.*?) # (time=|SKIP|TODO)/i.exec(line)
  if (test === null || test[1] !== '') file.push(line)
  if (test === null) continue
  const [, indent, not, name, directive = ''] = test
  // A skipped test has proved nothing.
  const bad = not !== undefined || !directive.startsWith('time')
  if (indent !== '') {
    if (bad) failed += 1
    else passed += 1
    continue
  }
  console.log(`${bad ? 'FAILED' : 'ok    '} ${name}`)
  if (bad) {
    console.log(file.join('\n'))
    if (!file.some(one => /^\s+not ok .*# time=/.test(one))) failed += 1
  }
  file = []
}
const status = await new Promise(resolve =>
  tap.exitCode === null ? tap.once('close', resolve) : resolve(tap.exitCode),
)
if (status !== 0 && failed === 0) {
  console.log(file.join('\n'))
  failed = 1
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
