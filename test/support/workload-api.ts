import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { eventually } from './eventually.ts'

const program = join(import.meta.dirname, '../netns/programs/workload-api-client.ts')

interface Teardown {
  teardown(run: () => unknown): unknown
}

/** A message of the Workload API, or the status at the end, as the client program prints it. */
export interface Said {
  readonly code?: number
  readonly details?: string
  readonly message?: {
    readonly svids?: readonly {
      readonly spiffeId: string
      readonly x509Svid: string
      readonly x509SvidKey: string
      readonly bundle: string
    }[]
    readonly bundles?: Readonly<Record<string, string>>
  }
}

/** A process that calls the Workload API. */
export interface WorkloadClient {
  /** What it was told so far. */
  readonly said: readonly Said[]
  /** Waits until it was told this much, and gives the last of that. */
  heard(count: number): Promise<Said>
  kill(): void
}

/** A directory that every user may look into, for sockets. */
export function openFolder(t: Teardown): string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-workload-'))
  chmodSync(folder, 0o755)
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Starts a process of another user that calls a method; `mark` is its metadata, true when left out. */
export function workloadClient(
  t: Teardown,
  uid: number,
  socket: string,
  method: string,
  mark = 'true',
): WorkloadClient {
  const args = ['--disable-warning=ExperimentalWarning', program, socket, method, mark]
  const child = spawn(process.execPath, args, { uid, gid: uid, env: {}, stdio: ['ignore', 'pipe', 'ignore'] })
  const said: Said[] = []
  createInterface({ input: child.stdout }).on('line', line => said.push(JSON.parse(line)))
  t.teardown(() => child.kill('SIGKILL'))
  return {
    said,
    heard: count =>
      eventually(() => {
        const last = said[count - 1]
        if (last === undefined) throw new Error(`heard ${said.length} of ${count}: ${JSON.stringify(said)}`)
        return last
      }, 30_000),
    kill: () => void child.kill('SIGKILL'),
  }
}
