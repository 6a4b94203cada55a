/**
 * What the server keeps. Small interfaces, each used by one part; every implementation passes
 * `test/compliance/store.ts`. All methods are atomic; times are milliseconds since 1970.
 */
export interface Store {
  readonly resources: ResourceStore
  readonly joinTokens: JoinTokenStore
  readonly nodes: NodeStore
  readonly proofs: ProofStore
  readonly virtualIps: VirtualIpStore
  readonly apiTokens: ApiTokenStore
  readonly registrations: RegistrationStore
  /** Ends the store; later calls fail. */
  close(): Promise<void>
}

/** An operator's resource as it was applied. */
export interface StoredResource {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  /** Grows with every write of this store. */
  readonly version: number
  readonly createdAt: number
  /** Whoever wrote this version, as the audit log names them; empty when nobody has said. */
  readonly writtenBy: string
  /** The document as validated, as JSON. */
  readonly document: string
}

export interface ResourceStore {
  list(): Promise<readonly StoredResource[]>
  /**
   * Writes all or none. A write with `expectedVersion` (0: must not exist) that does not match throws
   * WEFT_RESOURCE_CONFLICT and writes nothing.
   */
  put(writes: readonly ResourceWrite[], now: number, writtenBy?: string): Promise<readonly StoredResource[]>
  /** Returns whether it was there. */
  remove(kind: string, namespace: string, name: string): Promise<boolean>
  /** Calls `changed` after every write of this process until the returned function is called. */
  onChange(changed: () => void): () => void
}

export interface ResourceWrite {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly document: string
  readonly expectedVersion?: number
}

/** A join token as kept: never the secret itself. */
export interface JoinTokenRecord {
  /** Public handle, for listing and revoking. */
  readonly id: string
  /** SHA-256 of the secret, hex. */
  readonly hash: string
  readonly node: string
  /** `<namespace>/<service-account>` it may become; empty: what operator-declared registries place on the node. */
  readonly identities: readonly string[]
  readonly createdAt: number
  readonly expiresAt: number
  readonly usedAt?: number
  readonly revokedAt?: number
}

export interface JoinTokenStore {
  create(record: JoinTokenRecord): Promise<void>
  list(): Promise<readonly JoinTokenRecord[]>
  /**
   * Uses the token up in one statement and returns it; undefined when there is none with this hash for this node that
   * is unused, not revoked and not expired at `now`. Of any number of concurrent calls exactly one succeeds.
   */
  consume(hash: string, node: string, now: number): Promise<JoinTokenRecord | undefined>
  /** Returns whether it was there and still usable. */
  revoke(id: string, now: number): Promise<boolean>
}

/** A host that has joined. */
export interface NodeRecord {
  readonly name: string
  readonly identities: readonly string[]
  readonly joinedAt: number
  /** SHA-256 of the public key (SPKI) that the node joined with, hex. */
  readonly keyHash: string
  readonly banned: boolean
  /** What it joined with; absent for a join token. */
  readonly evidence?: NodeEvidence
}

/** What is kept of the evidence of a node. */
export interface NodeEvidence {
  readonly kind: string
  /** From 1 to 5, see `server/identity/attest/attestor.ts`. */
  readonly grade: number
  /** Which machine it is, whatever it is called. */
  readonly instance: string
  readonly claims: Readonly<Record<string, string>>
  /** When it was last judged. */
  readonly at: number
}

export interface NodeStore {
  get(name: string): Promise<NodeRecord | undefined>
  list(): Promise<readonly NodeRecord[]>
  put(record: NodeRecord): Promise<void>
}

/** Evidence that only one key may use. */
export interface ProofRecord {
  readonly kind: string
  readonly id: string
  readonly node: string
  readonly keyHash: string
  readonly expiresAt: number
}

export interface ProofStore {
  /**
   * Notes the proof in one step: `new` when nobody has used it, `again` when the same node has, with the same key, and
   * `taken` otherwise. Of any number of concurrent uses with different keys exactly one is `new`. Those that have expired
   * at `now` are forgotten.
   */
  use(proof: ProofRecord, now: number): Promise<'new' | 'again' | 'taken'>
}

export interface VirtualIpStore {
  /** Offset of each service key's addresses within the ranges. */
  list(): Promise<ReadonlyMap<string, number>>
  /**
   * Gives every key that has none an offset nobody has had, from `first` on, and returns all of them. Offsets are never
   * given to another key. `limit` is the last offset there is; when it does not suffice for all, WEFT_STORE is thrown
   * and none is given.
   */
  allocate(keys: readonly string[], first: number, limit: number): Promise<ReadonlyMap<string, number>>
}

export interface ApiTokenRecord {
  readonly id: string
  /** SHA-256 of the secret, hex. */
  readonly hash: string
  readonly createdAt: number
  /** As the audit log calls whoever uses it. */
  readonly name: string
  /** `<role>` or `<role>:<namespace>`. */
  readonly roles: readonly string[]
  /** Absent for the token of the first start. */
  readonly expiresAt?: number
  readonly revokedAt?: number
}

export interface ApiTokenStore {
  create(record: ApiTokenRecord): Promise<void>
  find(hash: string): Promise<ApiTokenRecord | undefined>
  list(): Promise<readonly ApiTokenRecord[]>
  /** Returns whether it was there and not revoked yet. */
  revoke(id: string, now: number): Promise<boolean>
}

/** A workload that a host registered itself. */
export interface RegistrationRecord {
  readonly node: string
  /** Unique on its node. */
  readonly name: string
  /** `<namespace>/<name>` of a WorkloadGroup. */
  readonly group: string
  readonly address: string
  /** Port names to ports, where they are not the group's. */
  readonly ports: Readonly<Record<string, number>>
  /** Empty unless it was taken out of service. */
  readonly maintenance: string
  /** When it was registered with this group and address. */
  readonly since: number
}

export interface RegistrationStore {
  /** Ordered by node and name. */
  list(): Promise<readonly RegistrationRecord[]>
  /** Replaces all registrations of a node by these, which are all of that node. */
  replace(node: string, registrations: readonly RegistrationRecord[]): Promise<void>
}
