import { allEnded } from './bounded.ts'
import type { NomadClient, NomadEventBatch } from './client/client.ts'
import type { FollowDeps, Follower } from './follow.ts'
import { createInbox } from './inbox.ts'
import type { NamespaceRule } from './namespaces.ts'
import { createWake } from './wake.ts'

/** Topics whose events tell what the adapter reads. */
const topics = ['Service', 'Allocation', 'Node']

/** An event stream that is established. */
export interface OpenEvents {
  /** The next batch; undefined when Nomad has ended the stream. Throws when it breaks off or falls silent. */
  next(): Promise<NomadEventBatch | undefined>
  close(): Promise<void>
}

/**
 * Opens the event stream and waits until it is established; it ends with the signal. Throws WEFT_REGISTRY_UNAVAILABLE,
 * `denied-or-dead` where Nomad refuses it.
 */
export async function openEvents(
  client: NomadClient,
  { read }: NamespaceRule,
  signal: AbortSignal,
): Promise<OpenEvents> {
  const [only] = read
  const namespace = read !== '*' && read.length === 1 && only !== undefined ? only : '*'
  const stop = new AbortController()
  const end = () => stop.abort()
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  const batches = client.events({ topics, namespace }, stop.signal)[Symbol.asyncIterator]()
  const close = async () => {
    end()
    signal.removeEventListener('abort', end)
    await batches.return?.()
  }
  try {
    let waiting: NomadEventBatch | undefined = await nextOf(batches)
    return {
      async next() {
        const batch = waiting ?? (await nextOf(batches))
        waiting = undefined
        return batch
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function nextOf(batches: AsyncIterator<NomadEventBatch>): Promise<NomadEventBatch | undefined> {
  const next = await batches.next()
  return next.done === true ? undefined : next.value
}

/**
 * Follows Nomad by an event stream: now that it is established everything is read, so that nothing can happen in
 * between unseen. Resolves when the stream has ended, and throws when it breaks off; it is closed in either case.
 */
export async function followByEvents(
  events: OpenEvents,
  follower: Follower,
  { settings, clock }: FollowDeps,
  signal: AbortSignal,
): Promise<void> {
  const { read } = settings.namespaces
  const stop = new AbortController()
  const end = () => stop.abort()
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  const inbox = createInbox(name => read === '*' || read.includes(name))
  const source = { inbox, wake: createWake(clock), stale: false, restMs: () => settings.pace.repeatMs }
  const receive = async () => {
    try {
      for (let batch = await events.next(); batch !== undefined; batch = await events.next()) {
        inbox.add(batch.events)
        if (batch.events.length > 0) source.wake.wake()
      }
    } finally {
      end()
    }
  }
  try {
    await allEnded([receive(), follower.run(source, stop.signal)])
  } finally {
    signal.removeEventListener('abort', end)
    await events.close()
  }
}
