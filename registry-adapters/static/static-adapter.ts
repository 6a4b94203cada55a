import { isDeepStrictEqual } from 'node:util'
import type { RegistryProblem, RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { AdapterDeps, AdapterHealth, RegistryAdapter } from '../adapter.ts'
import { createDirectoryChanges } from './directory-changes.ts'
import { type FileView, viewFile } from './file-views.ts'
import { mergeFiles } from './merge-files.ts'
import { type DirectoryRead, readDirectory } from './read-directory.ts'

export interface StaticOptions {
  /** The directory of `*.yaml`, `*.yml` and `*.json` files. */
  readonly directory: string
  /** How long the directory must be quiet after a change before it is read, in milliseconds; 100 when left out. */
  readonly debounceMs?: number
  /** How often it is read without notice of a change, in milliseconds; 10 seconds when left out. */
  readonly rereadMs?: number
  /** How often a directory that cannot be read is tried, in milliseconds; 1 second when left out. */
  readonly retryMs?: number
}

const defaultDebounceMs = 100
const defaultRereadMs = 10_000
const defaultRetryMs = 1_000
/** A directory that is written to without pause is read after this many debounce times all the same. */
const debounceCapFactor = 20

/**
 * A registry in files: a directory of Istio's WorkloadEntry, WorkloadGroup and ServiceEntry documents and of Weft's
 * short form (`mesh/resources/native.ts`), followed as it changes. A broken file keeps what it last said and is
 * reported by `file:line:column`; a directory that cannot be read is a failing registry.
 */
export function createStaticAdapter(deps: AdapterDeps, options: StaticOptions): RegistryAdapter {
  return { watch: signal => watchDirectory(deps, options, signal) }
}

async function* watchDirectory(
  deps: AdapterDeps,
  options: StaticOptions,
  signal: AbortSignal,
): AsyncGenerator<RegistrySnapshot, void, undefined> {
  const { directory, debounceMs = defaultDebounceMs, rereadMs = defaultRereadMs, retryMs = defaultRetryMs } = options
  const debounce = { debounceMs, debounceCapMs: debounceMs * debounceCapFactor }
  const changes = createDirectoryChanges(directory, deps.clock, debounce)
  const report = reporter(deps, directory)
  const tell = problemLog(deps, directory)
  let views: ReadonlyMap<string, FileView> = new Map()
  let last: RegistrySnapshot | undefined
  try {
    while (!signal.aborted) {
      const read = await tryRead(directory)
      if (signal.aborted) return
      if (read.kind === 'failed') {
        changes.follow(undefined)
        report({ kind: 'failing', reason: `cannot read ${directory}: ${read.reason}` })
        await changes.next(retryMs, signal)
        continue
      }
      // following starts after this read, which may have missed a change in between: read again soon
      const justFollowed = changes.follow(read.identity)
      const unsettled = [...read.files.values()].some(file => file.kind === 'changing')
      views = new Map([...read.files].map(([name, source]) => [name, viewFile(name, source, views.get(name))]))
      const snapshot = viewAll(deps.name, views)
      report({ kind: 'fresh' })
      tell(snapshot.problems)
      if (!isDeepStrictEqual(snapshot, last)) {
        last = snapshot
        yield snapshot
      }
      await changes.next(justFollowed || unsettled ? debounceMs : rereadMs, signal)
    }
  } finally {
    changes.stop()
  }
}

async function tryRead(
  directory: string,
): Promise<({ readonly kind: 'read' } & DirectoryRead) | { readonly kind: 'failed'; readonly reason: string }> {
  try {
    return { kind: 'read', ...(await readDirectory(directory)) }
  } catch (error) {
    return { kind: 'failed', reason: describeError(error) }
  }
}

function viewAll(registryName: string, views: ReadonlyMap<string, FileView>): RegistrySnapshot {
  const all = [...views.values()]
  const merged = mergeFiles(
    registryName,
    all.map(view => view.content),
  )
  return { ...merged, problems: [...all.flatMap(view => view.problems), ...merged.problems] }
}

/** Passes health on when it changes, not at every read. */
function reporter(deps: AdapterDeps, directory: string): (health: AdapterHealth) => void {
  let last: AdapterHealth | undefined
  return health => {
    if (isDeepStrictEqual(health, last)) return
    if (health.kind === 'failing')
      deps.log.warn('registry directory cannot be read', { directory, reason: health.reason })
    else if (last !== undefined) deps.log.info('registry directory can be read again', { directory })
    last = health
    deps.report(health)
  }
}

/** Logs each problem once, when it appears. */
function problemLog(deps: AdapterDeps, directory: string): (problems: readonly RegistryProblem[]) => void {
  let known = new Set<string>()
  return problems => {
    const now = new Set(problems.map(problem => `${problem.item}: ${problem.reason}`))
    for (const problem of now) {
      if (!known.has(problem)) deps.log.warn('registry file has a problem', { directory, problem })
    }
    known = now
  }
}
