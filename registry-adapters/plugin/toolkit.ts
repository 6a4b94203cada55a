import { registrySnapshot } from '../../mesh/model/catalogue.ts'
import { parseLocality } from '../../mesh/model/locality.ts'
import { serviceKey } from '../../mesh/model/service.ts'
import { sharing } from '../../mesh/model/sharing.ts'
import { createBackoff } from '../../mesh/std/backoff.ts'
import { sleep } from '../../mesh/std/clock.ts'
import { tableOf } from '../../mesh/std/table.ts'
import { createStanding } from '../standing.ts'

/**
 * Functions of the server's own that a plugin is handed: it must make its tables by these, since a copy of its own would
 * be compared item by item at every change.
 */
export const toolkit = {
  /** A table from `[key, item]` pairs; its `with` makes a changed one that shares the rest. */
  tableOf,
  /** A view from lists of services and workloads, for small registries. */
  registrySnapshot,
  /** The newer view made of the older one's objects wherever they say the same; the older one when nothing changed. */
  sharing,
  /** `<namespace>/<name>`, the key of a service. */
  serviceKey,
  /** Reads `region/zone/subzone`. */
  parseLocality,
  /** Waits on the given clock, until the signal aborts at the latest. */
  sleep,
  /** Growing, random delays between attempts. */
  createBackoff,
  /** Reports how an adapter of several parts stands, each change once. */
  createStanding,
}

export type Toolkit = Readonly<typeof toolkit>
