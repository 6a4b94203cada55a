import type { Clock } from '../../../mesh/std/clock.ts'
import type { BlockPool } from './blocks.ts'
import type { H2Limits } from './limits.ts'
import type { H2Options } from './options.ts'

/**
 * Connections with applications: whoever is on the other end is not trusted (security reference 3.2). Windows are small,
 * because what an application does not read must not pile up here; on loopback they are wide enough. There are no
 * keepalive questions: nobody vanishes without a word on the same machine, and gRPC servers end connections that ask.
 */
const shared = {
  dialect: 'application',
  settings: {
    initialWindowSize: 256 * 1024,
    connectionWindow: 1024 * 1024,
    maxFrameSize: 64 * 1024,
    headerTableSize: 4096,
  },
  maxConcurrentStreams: 100,
  keepalive: false,
} as const

/**
 * An indexed field costs a peer one byte and us a pointer, but it counts in full against the list and against what all
 * open requests together may hold, so a small block cannot be made to weigh more than a large one.
 */
const appLimits: Partial<H2Limits> = {
  headerBlockBytes: 64 * 1024,
  headerListBytes: 64 * 1024,
  headerPairs: 100,
  heldHeaderBytes: 1024 * 1024,
  resets: 100,
  pings: 1000,
  settings: 100,
  queuedBytes: 8 * 1024 * 1024,
  requestIdleMs: 300_000,
  sendStallMs: 60_000,
}

/** For connections that applications open to us in the clear. `limits` changes some of the limits. */
export function appServerOptions(clock: Clock, blocks: BlockPool, limits: Partial<H2Limits> = {}): H2Options {
  return { ...shared, clock, blocks, limits: { ...appLimits, ...limits } }
}

/** For connections that we open to applications. */
export function appClientOptions(clock: Clock, blocks: BlockPool, limits: Partial<H2Limits> = {}): H2Options {
  return { ...shared, clock, blocks, limits: { ...appLimits, ...limits } }
}
