import { hostsOverlap, isSubsetOf, ofNames } from './hosts.ts'
import { isExportedTo } from './visibility.ts'
import type { KnownHost, KnownVirtualService, WorldIndex } from './world-index.ts'

/** What a client may call through one port: which names it sees, and the rules about them. */
export interface EgressListener {
  sees(host: KnownHost): boolean
  /** In the order in which they win: private to the client's namespace, exported to it by name, public; each by age. */
  readonly virtualServices: readonly KnownVirtualService[]
  /** Those that name a host exactly. */
  readonly exact: ReadonlyMap<string, readonly KnownVirtualService[]>
  /** Those that name a host with a wildcard. */
  readonly wildcards: ReadonlyMap<string, readonly KnownVirtualService[]>
  /**
   * Those that may speak for a service of these names. An exact host hides wildcards; of one wildcard the first counts
   * alone.
   */
  about(names: readonly string[]): readonly KnownVirtualService[]
}

/**
 * The listener of one `egress` entry of a Sidecar, `<namespace>/<host>` each, or of everything that is exported to the
 * client's namespace. `.` is the client's namespace, `*` any, `~/*` nothing; `~<namespace>/<host>` takes away again.
 */
export function createEgressListener(
  index: WorldIndex,
  namespace: string,
  entries: readonly string[] | undefined,
): EgressListener {
  const imports = parseImports(entries ?? ['*/*'], namespace)
  const virtualServices = byPreference(index.virtualServices, namespace).filter(virtualService =>
    imports.overlaps(virtualService),
  )
  const named = virtualServices.flatMap(virtualService => virtualService.hosts.map(host => ({ host, virtualService })))
  const byHost = Map.groupBy(named, ({ host }) => host)
  const entriesOf = (wildcard: boolean) =>
    [...byHost]
      .filter(([host]) => host.startsWith('*') === wildcard)
      .map(([host, list]): [string, KnownVirtualService[]] => [host, list.map(entry => entry.virtualService)])
  const exact = new Map(entriesOf(false))
  const wildcards = new Map(entriesOf(true))
  const first = new Map([...wildcards].map(([host, list]) => [host, list.slice(0, 1)]))
  return {
    sees: host => isExportedTo(host.exports, namespace) && imports.covers(host),
    virtualServices,
    exact,
    wildcards,
    about: names => ofNames(names, exact, first) ?? [],
  }
}

/** Of those that a namespace sees, those nobody else does first, then those exported to it by name, then public ones. */
function byPreference(all: readonly KnownVirtualService[], namespace: string): readonly KnownVirtualService[] {
  const isOwn = ({ config, exports }: KnownVirtualService) => config.namespace === namespace && exports.has(namespace)
  const isNamed = (one: KnownVirtualService) => !isOwn(one) && one.exports.has(namespace)
  const isPublic = ({ exports }: KnownVirtualService) => exports.size === 0 || exports.has('*')
  return [
    ...all.filter(isOwn),
    ...all.filter(isNamed),
    ...all.filter(one => !isOwn(one) && !isNamed(one) && isPublic(one)),
  ]
}

interface Imports {
  covers(host: KnownHost): boolean
  overlaps(virtualService: KnownVirtualService): boolean
}

interface Import {
  readonly namespace: string
  readonly host: string
}

function parseImports(entries: readonly string[], own: string): Imports {
  const parse = (entry: string): Import => {
    const slash = entry.indexOf('/')
    const namespace = entry.slice(0, slash)
    return { namespace: namespace === '.' ? own : namespace, host: entry.slice(slash + 1).toLowerCase() }
  }
  const included = entries.filter(entry => !entry.startsWith('~')).map(parse)
  const excluded = entries.filter(entry => entry.startsWith('~')).map(entry => parse(entry.slice(1)))
  const isOf = (entry: Import, namespace: string) => entry.namespace === '*' || entry.namespace === namespace
  const within = (list: readonly Import[], host: string, namespace: string) =>
    list.some(entry => isOf(entry, namespace) && isSubsetOf(host, entry.host))
  return {
    // by any of its names, as rules may use any of them
    covers: ({ names, namespace }) =>
      names.some(name => within(included, name, namespace)) && !names.some(name => within(excluded, name, namespace)),
    overlaps({ hosts, config: { namespace } }) {
      return hosts.some(
        host =>
          included.some(entry => isOf(entry, namespace) && hostsOverlap(host, entry.host)) &&
          !within(excluded, host, namespace),
      )
    },
  }
}
