import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { type ConsulInstance, parseChecks, parseNodes, parseServiceNames } from './answers.ts'
import { changedNames } from './hints.ts'
import { type AmissStatus, createReadIndex } from './read-index.ts'
import type { ReadQueue } from './read-queue.ts'
import { ownService, type Rights } from './rights.ts'
import type { Selection } from './selection.ts'
import type { TranslateContext } from './translate-instance.ts'
import { createView } from './view.ts'

/** One service as Consul told it at one moment. */
export interface ServiceAnswer {
  /** Grows with each change of the service. */
  readonly index: bigint
  readonly instances: readonly ConsulInstance[]
}

/** What is known of Consul: takes answers in, says what is to be read, shows the whole. */
export interface Knowledge {
  /** Answers of the standing queries; each throws for one that cannot be believed, and then nothing has changed. */
  applyNames(body: unknown): void
  applyNodes(body: unknown): void
  applyChecks(status: AmissStatus, body: unknown): void
  /** Whether Consul lists a service. */
  isListed(name: string): boolean
  /** Index under which a service was read last; 0 for none. */
  indexOf(name: string): bigint
  /**
   * Takes what was read of one service; true when that shows. Reads may cross each other: what is older than what is
   * known came too late. Only a read that began when the service was known under that index, and still is, may take it
   * back: the reader has made sure of it.
   */
  store(name: string, answer: ServiceAnswer, known?: bigint): boolean
  /** Shows what has changed, from when every listed service has been read once: before, it would look like a loss. */
  publish(): void
  /** True after the first view. */
  readonly viewed: boolean
}

export interface KnowledgeDeps {
  readonly context: TranslateContext
  readonly selection: Selection
  readonly queue: ReadQueue
  readonly rights: Rights
  /** Names that are being read at this moment. */
  readonly reading: ReadonlySet<string>
  /** Services that tell of every change by themselves. */
  readonly watched: { has(name: string): boolean; retain(names: { has(name: string): boolean }): void }
  show(view: RegistrySnapshot): void
}

/** Nothing is known. */
export function createKnowledge(deps: KnowledgeDeps): Knowledge {
  const { context, selection, queue, rights, reading, watched } = deps
  const view = createView(context)
  const readIndex = createReadIndex()
  const indexes = new Map<string, bigint>()
  let names: ReadonlyMap<string, readonly string[]> | undefined
  let viewed = false

  const isListed = (name: string) => names?.has(name) === true

  /** What is being read at this moment cannot be compared yet, and may be older than the list: it is read again. */
  function hint(services: readonly string[]): void {
    queue.urgent([...services, ...reading].filter(isListed))
  }

  function publish(): void {
    viewed ||= names?.keys().every(name => view.has(name)) === true
    const change = viewed ? view.takeChange() : undefined
    if (change !== undefined) deps.show(change)
  }

  return {
    applyNames(body) {
      const all = parseServiceNames(body)
      rights.checkNames(all)
      const now = new Map([...all].filter(([name, tags]) => name !== ownService && selection(name, tags)))
      const before = names ?? new Map()
      names = now
      for (const part of [view, readIndex, queue, watched]) part.retain(now)
      for (const name of indexes.keys()) if (!now.has(name)) indexes.delete(name)
      queue.urgent(changedNames(before, now))
      queue.later(now.keys().filter(name => !watched.has(name)))
      publish()
    },
    applyNodes(body) {
      const nodes = parseNodes(body)
      rights.checkNodes(nodes)
      hint(readIndex.outdatedByNodes(nodes))
    },
    applyChecks(status, body) {
      hint(readIndex.outdatedByChecks(status, parseChecks(body)))
    },
    isListed,
    indexOf: name => indexes.get(name) ?? 0n,
    store(name, { index, instances }, known) {
      // It may have been deregistered while it was being read.
      if (!isListed(name)) return false
      const now = indexes.get(name) ?? 0n
      if (index < now && known !== now) return false
      indexes.set(name, index)
      readIndex.read(name, instances)
      return view.set(name, instances)
    },
    publish,
    get viewed() {
      return viewed
    },
  }
}
