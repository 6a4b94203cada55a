import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

/** `npm run build`: emits `dist/`, with the schema files beside the code that reads them. */
rmSync('dist', { recursive: true, force: true })
const { status } = spawnSync('tsc', ['--project', 'tsconfig.build.json'], { stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)
cpSync('mesh/wire/control.proto', 'dist/mesh/wire/control.proto')
const entry = 'dist/cli/weft.js'
const text = readFileSync(entry, 'utf8')
writeFileSync(entry, text.startsWith('#!') ? text : `#!/usr/bin/env node\n${text}`)
chmodSync(entry, 0o755)
