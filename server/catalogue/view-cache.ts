import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { type RegistrySnapshot, registrySnapshot } from '../../mesh/model/catalogue.ts'
import type { Clock, Timer } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'

/** What a registry said last, kept so that a restart of the server is no moment of forgetting. */
export interface ViewCache {
  /** Undefined when there is none, or none that can be used. */
  load(): Promise<RegistrySnapshot | undefined>
  /** Remembers the snapshot, soon; of several in a row the last one. */
  save(snapshot: RegistrySnapshot): void
  /** Writes what is still to be written. */
  stop(): Promise<void>
}

/** Views change with every health check; the disk need not. */
const writeEveryMs = 5000
/** Writing takes this share of the time at most: large views are written less often. */
const shareOfTime = 1 / 50
/** So many items are turned into text in one go; others have their turn between two of them. */
const itemsAtOnce = 200

/**
 * Keeps the view in one file: a line with the SHA-256 of the rest, then JSON. Written beside and renamed, so that the
 * file is whole at any moment; a file whose sum is wrong is ignored with a warning. Failures to write are logged and
 * nothing else: the cache is an aid, the registry is the truth.
 */
export function createFileViewCache(path: string, deps: { readonly clock: Clock; readonly log: Log }): ViewCache {
  let pending: RegistrySnapshot | undefined
  let timer: Timer | undefined
  let writing: Promise<void> = Promise.resolve()
  let everyMs = writeEveryMs

  const timedWrite = async (snapshot: RegistrySnapshot): Promise<void> => {
    const startedAt = deps.clock.monotonic()
    await write(path, snapshot)
    everyMs = Math.max(writeEveryMs, (deps.clock.monotonic() - startedAt) / shareOfTime)
  }

  const flush = (): void => {
    timer?.cancel()
    timer = undefined
    const snapshot = pending
    pending = undefined
    if (snapshot === undefined) return
    writing = writing
      .then(() => timedWrite(snapshot))
      .catch((error: unknown) => {
        deps.log.warn('the view of a registry could not be saved', { path, error: describeError(error) })
      })
  }
  return {
    async load() {
      try {
        return await read(path)
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
        deps.log.warn('the saved view of a registry is not usable', { path, error: describeError(error) })
        return undefined
      }
    },
    save(snapshot) {
      pending = snapshot
      timer ??= deps.clock.timer(everyMs, flush)
    },
    async stop() {
      flush()
      await writing
    },
  }
}

async function read(path: string): Promise<RegistrySnapshot> {
  const text = await readFile(path, 'utf8')
  const end = text.indexOf('\n')
  const body = text.slice(end + 1)
  if (text.slice(0, end) !== sumOf(body)) throw new Error('its checksum is wrong')
  // written by this file's own `write`, as the sum shows
  return registrySnapshot(JSON.parse(body))
}

async function write(path: string, snapshot: RegistrySnapshot): Promise<void> {
  const body = await textOf(snapshot)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const beside = `${path}.new`
  const file = await open(beside, 'w', 0o600)
  try {
    await file.writeFile(`${sumOf(body)}\n${body}`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(beside, path)
}

/** The view as JSON, made piece by piece: a large one must not hold everything else up. */
async function textOf({ services, workloads, problems }: RegistrySnapshot): Promise<string> {
  const list = async (items: Iterable<object>) => {
    let text = ''
    let count = 0
    for (const item of items) {
      text += count === 0 ? JSON.stringify(item) : `,${JSON.stringify(item)}`
      count += 1
      if (count % itemsAtOnce === 0) await setImmediate()
    }
    return `[${text}]`
  }
  return `{"services":${await list(services.values())},"workloads":${await list(workloads.values())},"problems":${JSON.stringify(problems)}}`
}

function sumOf(body: string): string {
  return createHash('sha256').update(body).digest('hex')
}
