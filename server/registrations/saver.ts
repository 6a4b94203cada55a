import { type Clock, sleep } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { RegistrationRecord, RegistrationStore } from '../store/store.ts'

export interface SaverDeps {
  readonly clock: Clock
  readonly log: Log
  readonly store: Pick<RegistrationStore, 'replace'>
}

/** Brings the latest registrations of each node to the store, in the background. */
export interface RegistrationSaver {
  save(node: string, registrations: readonly RegistrationRecord[]): void
  /** Writes what is left, once, and ends. */
  stop(): Promise<void>
}

const retryMs = 5_000

/** A store that fails is reported once and tried again until it works; meanwhile everything is in memory. */
export function createRegistrationSaver({ clock, log, store }: SaverDeps): RegistrationSaver {
  const waiting = new Map<string, readonly RegistrationRecord[]>()
  const stopping = new AbortController()
  let running: Promise<void> | undefined
  let failing = false

  async function run(): Promise<void> {
    while (waiting.size > 0) {
      const failed = await writeAll()
      if (!failed) continue
      if (stopping.signal.aborted) return
      await sleep(clock, retryMs, stopping.signal)
    }
  }

  async function writeAll(): Promise<boolean> {
    for (const [node, registrations] of [...waiting]) {
      try {
        await store.replace(node, registrations)
        // a newer one may have come meanwhile
        if (waiting.get(node) === registrations) waiting.delete(node)
        failing = false
      } catch (error) {
        if (!failing) log.error('registrations could not be saved', { node, error: describeError(error) })
        failing = true
        return true
      }
    }
    return false
  }

  return {
    save(node, registrations) {
      waiting.set(node, registrations)
      running ??= run().finally(() => {
        running = undefined
      })
    },
    async stop() {
      stopping.abort()
      while (running !== undefined) await running
    },
  }
}
