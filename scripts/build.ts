import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/**
 * `npm run build [-- DIRECTORY]`: emits `dist/`, or another directory, with the launcher and the schema files beside the
 * code. What was there before is replaced only when everything went well.
 */
const target = resolve(process.argv[2] ?? 'dist')
mkdirSync(dirname(target), { recursive: true })
const work = mkdtempSync(`${target}-`)
const { status } = spawnSync('tsc', ['--project', 'tsconfig.build.json', '--outDir', work], { stdio: 'inherit' })
if (status !== 0) {
  rmSync(work, { recursive: true })
  process.exit(status ?? 1)
}
for (const schema of ['mesh/wire/control.proto', 'mesh/wire/workload.proto']) cpSync(schema, join(work, schema))
cpSync('cli/weft.sh', join(work, 'cli/weft'))
chmodSync(join(work, 'cli/weft'), 0o755)
chmodSync(work, 0o755)
rmSync(target, { recursive: true, force: true })
renameSync(work, target)
