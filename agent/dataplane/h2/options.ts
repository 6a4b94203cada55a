import type { Clock } from '../../../mesh/std/clock.ts'
import type { ReadGarbage } from '../read-garbage.ts'
import type { BlockPool } from './blocks.ts'
import type { Dialect } from './dialect.ts'
import type { KeepaliveOptions } from './keepalive.ts'
import type { H2Limits } from './limits.ts'
import type { LocalSettings } from './settings.ts'

/** How a connection behaves; everything but the clock has a default made for sessions between agents. */
export interface H2Options {
  readonly clock: Clock
  /** By default `h2`. */
  readonly dialect?: Dialect
  /** The only `:scheme` that requests of applications may have: `http`. */
  readonly scheme?: 'http' | 'https'
  readonly settings?: Partial<LocalSettings>
  /** Streams the peer may have open (server), or that we open even if the peer allows more (client): 100. */
  readonly maxConcurrentStreams?: number
  readonly limits?: Partial<H2Limits>
  /** Liveness checks, or `false` for none. By default after 10 s of silence, with 20 s to answer, if streams are open. */
  readonly keepalive?: Partial<KeepaliveOptions> | false
  /** Output buffers, to be shared by all connections of a thread. */
  readonly blocks?: BlockPool
  /** Is told of what is read, where TLS reads. */
  readonly reads?: Pick<ReadGarbage, 'read'> | undefined
}
