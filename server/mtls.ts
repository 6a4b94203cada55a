import { permissiveFor } from '../mesh/policy/permissive-until.ts'
import type { Resource } from '../mesh/resources/resource.ts'
import type { Clock, Timer } from '../mesh/std/clock.ts'
import type { Log } from '../mesh/std/log.ts'
import { Watch } from '../mesh/std/watch.ts'
import type { MtlsVerdict } from './compile/settings.ts'
import { mtlsVerdict } from './placement.ts'

export interface MtlsDeps {
  readonly clock: Clock
  readonly log: Log
  readonly resources: Watch<readonly Resource[]>
}

/** Modes of mutual TLS by the policies in force and the server's clock. */
export interface Mtls {
  readonly verdict: Watch<MtlsVerdict>
  stop(): void
}

/** A timer sleeps with its machine and does not see the wall clock being set: it looks again that often. */
const lookAgainMs = 30_000

/** Judges anew whenever a policy changes, and when the time is over for which one permits plaintext. */
export function startMtls({ clock, log, resources }: MtlsDeps, options: { readonly rootNamespace: string }): Mtls {
  const { rootNamespace } = options
  const judge = () => mtlsVerdict(resources.value, { rootNamespace, now: clock.now() })
  let over = overNow()
  const verdict = new Watch(judge())
  let timer: Timer | undefined
  arm()
  const unsubscribe = resources.subscribe(() => {
    over = overNow()
    verdict.set(judge())
    arm()
  })

  function overNow(): ReadonlySet<string> {
    return new Set(
      permissiveFor(resources.value, clock.now()).flatMap(({ policy, isOver }) => (isOver ? [policy] : [])),
    )
  }

  function arm(): void {
    timer?.cancel()
    const next = permissiveFor(resources.value, clock.now()).find(({ isOver }) => !isOver)
    timer = next && clock.timer(Math.min(next.until - clock.now(), lookAgainMs), look)
  }

  function look(): void {
    const now = overNow()
    const ended = [...now.difference(over)]
    over = now
    if (ended.length > 0) {
      log.warn('plaintext is not permitted any more, the time of policies is over', { policies: ended })
      verdict.set(judge())
    }
    arm()
  }

  return {
    verdict,
    stop() {
      timer?.cancel()
      unsubscribe()
    },
  }
}
