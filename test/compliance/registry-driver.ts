import type { AdapterDeps, RegistryAdapter } from '../../registry-adapters/adapter.ts'

/** What the suite registers: one workload that serves one port of one service, in the registry's default namespace. */
export interface RegisteredInstance {
  /** The registry's own stable name for it; unique among everything the suite registers. */
  readonly id: string
  readonly service: string
  readonly address: string
  /** The port on the workload. A service's port has the same number where the registry knows no other. */
  readonly port: number
}

/**
 * The registry behind the adapter under test, driven from the outside as its users would. Every call resolves once the
 * registry itself holds the change; the adapter may learn of it later. No call leaves a connection, timer or watcher of
 * the driver's own behind: the suite counts open handles.
 */
export interface RegistryDriver {
  /** An adapter with the given deps on this registry, not yet watching. Back-off and re-read intervals should be short. */
  adapter(deps: AdapterDeps): RegistryAdapter
  /** Adds or replaces an instance; its service exists from the first instance on. */
  put(instance: RegisteredInstance): Promise<void>
  /** Removes an instance; with its last one the service may stay, empty, or go. */
  remove(id: string): Promise<void>
  /** Adds an item of that id which the adapter cannot use; its problem's `item` must contain the id. */
  putBad(id: string): Promise<void>
  /** Makes the registry notify or answer again although nothing that matters has changed. */
  touch(): Promise<void>
  /** The registry stops answering, or refuses. */
  fail(): Promise<void>
  /** The registry answers again, holding what it held. */
  heal(): Promise<void>
  /** Ends the registry; also called for one that has failed. */
  stop(): Promise<void>
  /** What else can go wrong with this registry; ended by {@link RegistryDriver.heal}, which makes it as it was. */
  readonly faults?: RegistryFaults
}

/**
 * Ways in which a registry goes wrong, one hook each. In all of them it holds what it held, so nothing may leave the
 * view; each call resolves when whatever the adapter asks next is answered wrongly, or when it has been told.
 */
export interface RegistryFaults {
  /** It answers that it holds nothing, in a way by which the kind can tell that this is a mistake. */
  emptyAnswer?(): Promise<void>
  /** Its answers end in the middle. */
  halfAnswer?(): Promise<void>
  /** Its answers are nonsense. */
  garbage?(): Promise<void>
  /** It takes requests and never answers; the adapter's patience should be less than ten seconds. */
  stall?(): Promise<void>
  /** It answers with its state before the last change, as a replica does that lags behind; the adapter has read that. */
  staleRead?(): Promise<void>
  /** Adds an instance with about 1 MB of whatever instances can carry. */
  putHuge?(instance: RegisteredInstance): Promise<void>
  /** Lists an instance it already holds a second time, under the same id and with this other address. */
  putTwice?(instance: RegisteredInstance, address: string): Promise<void>
}

export type RegistryFault = keyof RegistryFaults

export interface RegistryAdapterSuite {
  /** A registry of its own for each test, empty and answering. */
  setup(): Promise<RegistryDriver>
  /** Faults that this kind of registry cannot have, or that cannot be made on it, each with the reason. */
  readonly cannot?: Readonly<Partial<Record<RegistryFault, string>>>
  /**
   * True when every fault must have either its hook in {@link RegistryDriver.faults} or its reason in `cannot`. Set it:
   * without it faults that have neither are only noted, which is for suites that are still being written.
   */
  readonly strict?: boolean
  /** Shortest time between two views during a burst of changes, in milliseconds; with it their number is checked. */
  readonly viewEveryMs?: number
}
