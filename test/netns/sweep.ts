import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cgroupBase } from './cgroups.ts'

const signals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGALRM'] as const

/**
 * Sees to it that a world is gone even when its test process is told to end before the world was stopped: by a
 * time-out of the runner, Ctrl-C, or an exception nobody caught. Call what it returns when the world was stopped.
 */
export function sweepOnExit(name: string, directory: string): () => void {
  const sweep = () => sweepWorld(name, directory)
  const end = () => process.exit(1)
  process.once('exit', sweep)
  for (const signal of signals) process.once(signal, end)
  return () => {
    process.off('exit', sweep)
    for (const signal of signals) process.off(signal, end)
  }
}

/** Synchronous, because nothing else runs while a process exits; every step is tried whatever became of the others. */
function sweepWorld(name: string, directory: string): void {
  const spaces = attempt(() => readdirSync('/run/netns')) ?? []
  for (const space of spaces.filter(entry => entry.startsWith(`${name}-`))) {
    const pids = attempt(() => execFileSync('ip', ['netns', 'pids', space], { encoding: 'utf8' })) ?? ''
    killAll(pids)
    attempt(() => execFileSync('ip', ['netns', 'delete', space], { stdio: 'ignore' }))
  }
  attempt(() => removeCgroups(join(cgroupBase(), name)))
  attempt(() => rmSync(directory, { recursive: true, force: true }))
}

function removeCgroups(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroups(join(directory, entry.name))
  }
  killAll(readFileSync(join(directory, 'cgroup.procs'), 'utf8'))
  // the kernel needs a moment to let go of what was just killed
  for (let tries = 0; tries < 50; tries += 1) {
    if (attempt(() => rmdirSync(directory) === undefined)) return
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
  }
}

function killAll(pids: string): void {
  for (const pid of pids.split('\n').filter(line => Number(line) > 1)) {
    attempt(() => process.kill(Number(pid), 'SIGKILL'))
  }
}

function attempt<T>(step: () => T): T | undefined {
  try {
    return step()
  } catch {
    return undefined
  }
}
