import type { TrustBundle } from '../../mesh/identity/trust-bundle.ts'
import type { Clock, Random } from '../../mesh/std/clock.ts'
import type { Log } from '../../mesh/std/log.ts'
import { Watch } from '../../mesh/std/watch.ts'
import type { CertificateOfHost } from '../../mesh/wire/messages.ts'
import type { Credential } from '../dataplane/messages.ts'
import { type HeldCertificate, rootOf, verifyIssued } from './held-certificate.ts'
import { type Keeper, type KeeperDeps, type KeeperStatus, type Signer, startKeeper } from './keeper.ts'

export interface CertificatesDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly signer: Watch<Signer | undefined>
  readonly trust: Watch<TrustBundle>
  /** Called with everything held after each change of it; must not throw. */
  save(node: HeldCertificate, workloads: readonly HeldCertificate[]): void
}

export interface CertificatesOptions {
  readonly node: HeldCertificate
  /** Of an earlier run; those that are not wanted are dropped at the first {@link Certificates.want}. */
  readonly workloads: readonly HeldCertificate[]
}

/**
 * Holds the certificates of the node and of the workloads on it. Each identity is kept on its own: one that the server
 * refuses never delays another. It knows nothing of connections; it publishes what may be presented.
 */
export interface Certificates {
  /** What the data plane may present: wanted, held and not expired, ordered by identity. */
  readonly credentials: Watch<readonly Credential[]>
  /** The node's own, expired or not: only the server decides whether an expired node may still renew. */
  readonly node: Watch<HeldCertificate>
  /** Makes exactly these workload identities kept. */
  want(identities: Iterable<string>): void
  /** Below which root each certificate is that is in use, the node's own first. */
  readonly issued: Watch<readonly CertificateOfHost[]>
  /** The node first, then workloads by identity. */
  status(): readonly KeeperStatus[]
  stop(): Promise<void>
}

/** Starts with what an earlier run has left and renews by itself from then on. */
export function startCertificates(deps: CertificatesDeps, options: CertificatesOptions): Certificates {
  const credentials = new Watch<readonly Credential[]>([])
  const node = new Watch(options.node)
  const issued = new Watch<readonly CertificateOfHost[]>([])
  const keepers = new Map<string, Keeper>()
  const kept = new Map(options.workloads.map(held => [held.identity, held]))
  const ending = new Set<Promise<void>>()
  const keeperDeps: KeeperDeps = {
    ...deps,
    verify: held => verifyIssued(held, deps.trust.value, deps.clock.now()),
    changed,
  }
  const nodeKeeper = startKeeper(keeperDeps, {
    identity: options.node.identity,
    initial: options.node,
    keepKey: true,
  })

  hasten(nodeKeeper)
  issued.set(rootsOfAll())
  // What is below a root that is about to go, or has gone, is renewed now.
  const unsubscribe = deps.trust.subscribe(() => {
    for (const keeper of [nodeKeeper, ...keepers.values()]) hasten(keeper)
    issued.set(rootsOfAll())
  })

  function hasten(keeper: Keeper): void {
    const { roots, tainted = [], renewWithinMs = 0 } = deps.trust.value
    const held = keeper.held()
    if (held === undefined || roots.length === 0) return
    const root = rootOf(held, roots)
    if (root === undefined || tainted.includes(root)) keeper.hasten(renewWithinMs)
  }

  function rootsOfAll(): CertificateOfHost[] {
    const { roots } = deps.trust.value
    return [nodeKeeper, ...sorted()].flatMap(keeper => {
      const held = keeper.usable()
      if (held === undefined) return []
      return { identity: held.identity, root: rootOf(held, roots) ?? noRoot }
    })
  }

  function changed(): void {
    node.set(nodeKeeper.held() ?? options.node)
    issued.set(rootsOfAll())
    credentials.set(sorted().flatMap(keeper => credentialOf(keeper.usable())))
    deps.save(
      node.value,
      sorted().flatMap(keeper => keeper.held() ?? []),
    )
  }

  function sorted(): Keeper[] {
    return [...keepers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, keeper]) => keeper)
  }

  return {
    credentials,
    node,
    issued,
    want(identities) {
      const wanted = new Set(identities)
      const before = [...keepers.keys()].join()
      for (const [identity, keeper] of keepers) {
        if (wanted.has(identity)) continue
        keepers.delete(identity)
        const end = keeper.stop().finally(() => ending.delete(end))
        ending.add(end)
      }
      for (const identity of wanted) {
        if (keepers.has(identity)) continue
        const initial = kept.get(identity)
        const keeper = startKeeper(keeperDeps, { identity, initial, keepKey: false })
        keepers.set(identity, keeper)
        hasten(keeper)
      }
      kept.clear()
      if ([...keepers.keys()].join() !== before) changed()
    },
    status: () => [nodeKeeper, ...sorted()].map(keeper => keeper.status()),
    async stop() {
      unsubscribe()
      await Promise.all([nodeKeeper, ...keepers.values()].map(keeper => keeper.stop()))
      await Promise.all(ending)
    },
  }
}

/** A root that nobody has: the certificate is below none of those that are believed. */
const noRoot = '0'.repeat(64)

function credentialOf(held: HeldCertificate | undefined): Credential[] {
  return held === undefined ? [] : [{ identity: held.identity, key: held.key, chain: held.chain }]
}
