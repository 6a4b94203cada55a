import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/**
 * `npm run build [-- DIRECTORY]`: emits `dist/`, or another directory, with the schema files beside the code that reads
 * them. What was there before is replaced only when everything went well.
 */
const target = resolve(process.argv[2] ?? 'dist')
mkdirSync(dirname(target), { recursive: true })
const work = mkdtempSync(`${target}-`)
const { status } = spawnSync('tsc', ['--project', 'tsconfig.build.json', '--outDir', work], { stdio: 'inherit' })
if (status !== 0) {
  rmSync(work, { recursive: true })
  process.exit(status ?? 1)
}
cpSync('mesh/wire/control.proto', join(work, 'mesh/wire/control.proto'))
const entry = join(work, 'cli/weft.js')
const text = readFileSync(entry, 'utf8')
writeFileSync(entry, text.startsWith('#!') ? text : `#!/usr/bin/env node\n${text}`)
chmodSync(entry, 0o755)
chmodSync(work, 0o755)
rmSync(target, { recursive: true, force: true })
renameSync(work, target)
