import { type Clock, clampTimerMs } from '../../mesh/std/clock.ts'
import type { AdapterDeps, AdapterHealth } from '../adapter.ts'
import { firstLine } from '../quoted.ts'
import { describeThrown } from './describe-thrown.ts'

/** What stands between a plugin and the server: what the plugin reports is checked, what its timers throw is caught. */
export interface Relay {
  /** What a plugin is handed in place of the server's own. */
  readonly deps: AdapterDeps
  /** Passes reports on from now on, until the signal aborts or {@link close}. */
  open(signal: AbortSignal): void
  close(): void
  /** True once the plugin has reported, yielded or broken anything. */
  readonly hasSpoken: boolean
  /** The plugin has broken its contract, or itself. */
  failed(reason: string): void
  /** It has yielded a view that can be used. */
  succeeded(): void
  /** It does not end when it is told to. */
  stuck(): void
}

/** Reports each change once; a plugin that breaks its contract is failing, whatever it says of itself. */
export function createRelay(deps: AdapterDeps): Relay {
  let listening = false
  let hasSpoken = false
  let broken: string | undefined
  let own: AdapterHealth | undefined
  let said: string | undefined

  const tell = () => {
    const health: AdapterHealth | undefined = broken === undefined ? own : { kind: 'failing', reason: broken }
    if (!listening || health === undefined) return
    const text = health.kind === 'fresh' ? '' : health.reason
    if (text === said) return
    said = text
    deps.report(health)
  }
  const failed = (reason: string) => {
    hasSpoken = true
    if (reason === broken) return
    broken = reason
    if (listening) deps.log.warn('an adapter of a plugin does not do as it should', { reason })
    tell()
  }
  const report = (health: unknown) => {
    const read = healthOf(health)
    if (read === undefined) return failed('the adapter reports a health that is none')
    hasSpoken = true
    own = read
    tell()
  }
  const clock: Clock = {
    now: () => deps.clock.now(),
    monotonic: () => deps.clock.monotonic(),
    timer(delayMs, run) {
      const guarded = () => {
        try {
          run()
        } catch (error) {
          failed(`a timer of the adapter failed: ${describeThrown(error)}`)
        }
      }
      return deps.clock.timer(clampTimerMs(delayMs), guarded)
    },
  }
  return {
    deps: { name: deps.name, clock, random: deps.random, log: deps.log, report },
    open(signal) {
      listening = !signal.aborted
      signal.addEventListener(
        'abort',
        () => {
          listening = false
        },
        { once: true },
      )
      tell()
    },
    close() {
      listening = false
    },
    get hasSpoken() {
      return hasSpoken
    },
    failed,
    succeeded() {
      hasSpoken = true
      if (broken === undefined) return
      broken = undefined
      // a view is a sign of life, whatever was said last
      own = { kind: 'fresh' }
      tell()
    },
    stuck() {
      deps.log.warn('an adapter of a plugin does not end, it is left behind')
    },
  }
}

function healthOf(value: unknown): AdapterHealth | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const kind: unknown = Reflect.get(value, 'kind')
  const reason: unknown = Reflect.get(value, 'reason')
  if (kind === 'fresh') return { kind }
  return kind === 'failing' && typeof reason === 'string' ? { kind, reason: firstLine(reason) } : undefined
}
