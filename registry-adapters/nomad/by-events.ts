import { allEnded } from './bounded.ts'
import type { NomadClient } from './client/client.ts'
import type { FollowDeps, Follower } from './follow.ts'
import { createInbox } from './inbox.ts'
import { createWake } from './wake.ts'

/** Topics whose events tell what the adapter reads. */
const topics = ['Service', 'Allocation', 'Node']

/**
 * Follows Nomad by its event stream: it is opened first, and when it is established everything is read, so that
 * nothing can happen in between unseen. Resolves when the stream has ended, and throws when it cannot be had or breaks
 * off; `established` is called in between.
 */
export async function followByEvents(
  client: NomadClient,
  follower: Follower,
  deps: FollowDeps,
  established: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { read } = deps.settings.namespaces
  const [only] = read
  const namespace = read !== '*' && read.length === 1 && only !== undefined ? only : '*'
  const stop = new AbortController()
  const end = () => stop.abort()
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  const events = client.events({ topics, namespace }, stop.signal)[Symbol.asyncIterator]()
  try {
    const first = await events.next()
    if (first.done === true) return
    established()
    const inbox = createInbox(name => read === '*' || read.includes(name))
    const source = { inbox, wake: createWake(deps.clock), stale: false, restMs: () => deps.settings.pace.repeatMs }
    inbox.add(first.value.events)
    const receive = async () => {
      try {
        for (;;) {
          const next = await events.next()
          if (next.done === true) return
          inbox.add(next.value.events)
          if (next.value.events.length > 0) source.wake.wake()
        }
      } finally {
        end()
      }
    }
    await allEnded([receive(), follower.run(source, stop.signal)])
  } finally {
    end()
    signal.removeEventListener('abort', end)
    await events.return?.()
  }
}
