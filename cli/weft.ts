import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The installed `weft`: runs the command on the Node that came with the package, whatever Node the machine has. This
 * file alone must run on Node 20.
 */
const neededMajor = 26
const main = fileURLToPath(new URL('./main.js', import.meta.url))

if (Number(process.versions.node.split('.')[0]) >= neededMajor) await import(main)
else runOnOwnNode()

/** Stays beside the command to pass on what a service manager or a person sends, and ends as the command ends. */
function runOnOwnNode(): void {
  const child = spawn(ownNode(), [main, ...process.argv.slice(2)], { stdio: 'inherit' })
  // a terminal, and systemd by default, signal both processes: the command takes two of a kind in a second for one
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => child.kill(signal))
  child.on('error', error => {
    process.stderr.write(`weft: ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    // as a shell reports a command that a signal has ended
    process.exitCode = code ?? (signal === null ? 1 : 128 + constants.signals[signal])
  })
}

/** Where npm put the pinned Node: an optional dependency for this machine's processor. */
function ownNode(): string {
  const name = `node-linux-${process.arch}`
  try {
    return join(createRequire(import.meta.url).resolve(`${name}/package.json`), '..', 'bin', 'node')
  } catch {
    process.stderr.write(`weft: this needs Node ${neededMajor}, and ${name} is not installed: run npm ci again\n`)
    process.exit(1)
  }
}
