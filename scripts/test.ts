import { spawn, spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { ensureTools, testTools } from './debian-packages.ts'

/**
 * `npm test [-- files]`: installs what the tests need where it may, runs all of them (or the named ones), shows a line
 * per file and everything of a file that failed, and ends in the line `N passed, N failed`, counted from what tap
 * reports.
 */
ensureTools(testTools)
buildTapOnce()

let passed = 0
let failed = 0
const named = process.argv.slice(2)
if (named.length > 0) await runTap(named)
else {
  const files = globSync('test/**/*.test.ts').sort()
  // Whole meshes under load need the machine for themselves: one such file at a time.
  await runTap(files.filter(file => !file.startsWith('test/netns/')))
  await runTap(['--jobs=1', ...files.filter(file => file.startsWith('test/netns/'))])
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1

/** Runs tap once and adds to the counts. */
async function runTap(args: readonly string[]): Promise<void> {
  const tap = spawn('tap', ['run', '--reporter=tap', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>(resolve => tap.once('close', resolve))
  const failedBefore = failed
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
  if ((await ended) !== 0 && failed === failedBefore) {
    console.log(file.join('\n'))
    failed += 1
  }
}

/**
 * After a fresh install the first run would still use tap's default plugins. Built once for a `.taprc`: building anew
 * under the feet of a run that goes on at the same time would break that one.
 */
function buildTapOnce(): void {
  const marker = 'node_modules/.weft-tap-built'
  const wanted = readFileSync('.taprc', 'utf8')
  if (existsSync(marker) && readFileSync(marker, 'utf8') === wanted) return
  const build = spawnSync('tap', ['build'], { encoding: 'utf8' })
  if (build.status !== 0) {
    console.error(build.stdout + build.stderr)
    process.exit(1)
  }
  writeFileSync(marker, wanted)
}
