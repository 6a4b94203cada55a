import type { Clock } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import { createSlots } from '../policy/slots.ts'

/** Where hosts wait whose evidence has to be looked at. */
export interface JoinQueue {
  /** Runs when it is its turn, for a bounded time; throws WEFT_RATE_LIMITED when too many wait already. */
  run<T>(task: (signal: AbortSignal) => Promise<T>): Promise<T>
}

const atOnce = 8
const maxWaiting = 256
const deadlineMs = 15_000

/** One queue for all hosts, so that however many join at once, who has to be asked about them is asked by a few. */
export function createJoinQueue(clock: Clock): JoinQueue {
  const slots = createSlots(atOnce)
  let waiting = 0
  return {
    async run(task) {
      const busy = () => new MeshError('WEFT_RATE_LIMITED', 'too many hosts join at once')
      if (waiting >= maxWaiting) throw busy()
      waiting += 1
      const ended = new AbortController()
      const late = new MeshError('WEFT_REGISTRY_UNAVAILABLE', 'evidence could not be checked in time')
      const timer = clock.timer(deadlineMs, () => ended.abort(late))
      try {
        const answer = await slots.run(async () => ({ value: await task(ended.signal) }), ended.signal)
        if (answer === undefined) throw busy()
        return answer.value
      } finally {
        timer.cancel()
        waiting -= 1
      }
    },
  }
}
