import type { Resource } from '../../mesh/resources/resource.ts'
import { createBackoff } from '../../mesh/std/backoff.ts'
import { type Clock, type Random, sleep } from '../../mesh/std/clock.ts'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { Watch } from '../../mesh/std/watch.ts'
import type { KeysOf } from '../compile/settings.ts'
import type { FetchText } from '../outbound-fetch.ts'
import type { TokenKeysStatus } from '../status.ts'
import { fetchKeys } from './fetch-keys.ts'
import type { KeptKeys, KeyFile } from './key-file.ts'
import { type KeySource, keySourceId, keySources } from './key-sources.ts'
import { createSlots, type Slots } from './slots.ts'

/** Keys that tokens are verified by, kept up to date. */
export interface TokenKeys {
  /** A new function whenever a set has changed. */
  readonly keysOf: Watch<KeysOf>
  status(): readonly TokenKeysStatus[]
  /** How many fetches have ended how. */
  fetches(): { readonly success: number; readonly failure: number }
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>
}

export interface TokenKeysDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly resources: Watch<readonly Resource[]>
  readonly fetchText: FetchText
  readonly file: KeyFile
}

const refreshMs = 20 * 60_000
const backoffLimits = { baseMs: 2000, capMs: 5 * 60_000 }
/** Of one namespace at once: what it names that never answers holds up nobody else. */
const maxFetches = 4

interface Followed {
  source: KeySource
  readonly stop: AbortController
  readonly done: Promise<void>
  status: TokenKeysStatus
}

/**
 * Fetches the keys that RequestAuthentications name, every 20 minutes give or take two, sooner after a failure. What was
 * fetched last stays in use as long as a rule needs it, also over a restart. Without it there are no keys: there is no set
 * that stands in.
 */
export function startTokenKeys(deps: TokenKeysDeps): TokenKeys {
  const { clock, random, log, resources, fetchText, file } = deps
  const kept = new Map<string, KeptKeys>(readFile(file, log))
  const followed = new Map<string, Followed>()
  const slots = new Map<string, Slots>()
  const keysOf = new Watch<KeysOf>(lookUp(kept))
  const ended = { success: 0, failure: 0 }
  let stopped = false

  function follow(source: KeySource): void {
    const id = keySourceId(source)
    const stop = new AbortController()
    const status: TokenKeysStatus = { uri: source.uri, state: 'starting', since: clock.now() }
    const one: Followed = { source, stop, status, done: Promise.resolve().then(() => refresh(one, id)) }
    followed.set(id, one)
  }

  function slotsOf({ namespace }: KeySource): Slots {
    const known = slots.get(namespace) ?? createSlots(maxFetches)
    slots.set(namespace, known)
    return known
  }

  async function refresh(one: Followed, id: string): Promise<void> {
    const { signal } = one.stop
    const backoff = createBackoff(backoffLimits, random)
    while (!signal.aborted) {
      const isGood = await slotsOf(one.source).run(() => fetchOnce(one, id), signal)
      if (isGood) backoff.reset()
      await sleep(clock, isGood ? refreshMs * (0.9 + 0.2 * random()) : 1000 + backoff.nextMs(), signal)
    }
  }

  async function fetchOnce(one: Followed, id: string): Promise<boolean> {
    try {
      const keys = await fetchKeys(one.source, fetchText, one.stop.signal)
      if (one.stop.signal.aborted) return false
      ended.success += 1
      succeeded(one, id, keys)
      return true
    } catch (error) {
      if (one.stop.signal.aborted) return false
      ended.failure += 1
      failed(one, id, error)
      return false
    }
  }

  function succeeded(one: Followed, id: string, keys: string): void {
    const { uri } = one.source
    if (one.status.state !== 'fresh') {
      if (one.status.state !== 'starting') log.info('keys for tokens are fetched again', { uri })
      one.status = { uri, state: 'fresh', since: clock.now() }
    }
    const isChange = kept.get(id)?.keys !== keys
    kept.set(id, { keys, fetchedAt: clock.now() })
    if (!isChange) return
    log.info('keys for tokens changed', { uri })
    save()
    keysOf.set(lookUp(kept))
  }

  function failed(one: Followed, id: string, error: unknown): void {
    const { uri } = one.source
    const state = kept.has(id) ? 'stale' : 'missing'
    const reason = reasonOf(error)
    const { status } = one
    if (status.state !== state || status.reason !== reason) {
      const instead = state === 'stale' ? 'the last good keys stay in use' : 'tokens of its rules are refused'
      log.warn('keys for tokens cannot be fetched', { uri, reason, instead })
    }
    const since = status.state === state ? status.since : clock.now()
    one.status = { uri, state, since, reason }
  }

  function save(): void {
    try {
      file.write(kept)
    } catch (error) {
      log.warn('keys for tokens cannot be kept for the next start', { reason: describeError(error) })
    }
  }

  function followAll(): void {
    if (stopped) return
    const wanted = new Map(keySources(resources.value).map(source => [keySourceId(source), source]))
    const namespaces = new Set([...wanted.values()].map(({ namespace }) => namespace))
    for (const [id, one] of followed) {
      const source = wanted.get(id)
      if (source?.timeoutMs === one.source.timeoutMs) {
        one.source = source
        continue
      }
      one.stop.abort()
      followed.delete(id)
    }
    for (const namespace of slots.keys()) if (!namespaces.has(namespace)) slots.delete(namespace)
    for (const [id, source] of wanted) if (!followed.has(id)) follow(source)
    const gone = [...kept.keys()].filter(id => !wanted.has(id))
    for (const id of gone) kept.delete(id)
    if (gone.length === 0) return
    save()
    keysOf.set(lookUp(kept))
  }

  const unsubscribe = resources.subscribe(followAll)
  followAll()
  return {
    keysOf,
    status: () => [...followed.values()].map(({ status }) => status),
    fetches: () => ({ ...ended }),
    async stop() {
      stopped = true
      unsubscribe()
      const running = [...followed.values()]
      for (const { stop } of running) stop.abort()
      await Promise.all(running.map(({ done }) => done))
    },
  }
}

/** Of the sets that there are now. A URL that is an issuer's name may be another rule's key set. */
function lookUp(kept: ReadonlyMap<string, KeptKeys>): KeysOf {
  const sets = new Map(kept)
  return (uri, kind) => sets.get(keySourceId({ kind, uri }))?.keys
}

function readFile(file: KeyFile, log: Log): ReadonlyMap<string, KeptKeys> {
  try {
    return file.read()
  } catch (error) {
    log.warn('keys for tokens of the last run cannot be used', { reason: describeError(error) })
    return new Map()
  }
}

/** With the values behind the message: which address, which status. */
function reasonOf(error: unknown): string {
  if (!(error instanceof MeshError)) return describeError(error)
  const values = Object.entries(error.fields).filter(([name, value]) => name !== 'url' && value !== undefined)
  return [describeError(error), ...values.map(([name, value]) => `${name} ${String(value)}`)].join(', ')
}
