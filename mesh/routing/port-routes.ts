import { parseAuthority } from './authority.ts'
import type { CompileContext } from './context.ts'
import type { EgressListener } from './egress.ts'
import { isSubsetOf, isWildcard } from './hosts.ts'
import { createMemo } from './memo.ts'
import type { VirtualHost } from './route.ts'
import { ofOwnNamespace } from './scope.ts'
import { createVirtualHosts } from './virtual-hosts.ts'
import { createWildcardTable, type WildcardTable } from './wildcard-table.ts'
import type { KnownHost, KnownVirtualService, WorldIndex } from './world-index.ts'

/** Where requests go that one client sends to one port. */
export interface PortRoutes {
  /**
   * The virtual host of a `Host` or `:authority`, whatever its case and port: exact names, short names in the service's
   * namespace and addresses before wildcards, longer wildcards first; `allow_any` or `block_all` where nothing fits.
   */
  find(authority: string): VirtualHost
}

/** So many authorities are remembered as they were sent, so that most requests need one look-up. */
const rememberedAuthorities = 1024
/** Longer ones are not remembered: memory must not follow what callers send. */
const rememberedLength = 256

/** Virtual hosts are made when they are first asked for, and kept: a client calls few of the services it sees. */
export function createPortRoutes(
  index: WorldIndex,
  listener: EgressListener | undefined,
  context: CompileContext,
  policy: 'ALLOW_ANY' | 'REGISTRY_ONLY',
): PortRoutes {
  const { port, client } = context
  const { domain } = index.world
  const virtualHosts = createVirtualHosts(listener, context)
  const unknown = virtualHosts.unknown(policy)
  const made = new Map<string, VirtualHost | undefined>()
  const remembered = createMemo<string, VirtualHost>(rememberedAuthorities)
  let wildcards: WildcardTable<VirtualHost> | undefined

  const isCallable = (known: KnownHost) =>
    listener?.sees(known) === true && known.service.ports.some(each => each.port === port)

  function callable(hosts: readonly KnownHost[] | undefined): KnownHost | undefined {
    return hosts === undefined ? undefined : ofOwnNamespace(hosts.filter(isCallable), client.namespace)
  }

  function ofService(known: KnownHost): VirtualHost {
    const kept = made.get(known.host)
    if (kept !== undefined) return kept
    const virtualHost = virtualHosts.ofService(known)
    made.set(known.host, virtualHost)
    return virtualHost
  }

  function ofRules(host: string, named: readonly KnownVirtualService[]): VirtualHost | undefined {
    if (!made.has(host)) made.set(host, virtualHosts.ofRules(host, named))
    return made.get(host)
  }

  function exact(host: string): VirtualHost | undefined {
    const known = callable(index.byHost.get(host))
    if (known !== undefined) return ofService(known)
    const named = listener?.exact.get(host)
    return named === undefined ? undefined : ofRules(host, named)
  }

  /** `cart` and `cart.shop` for `cart.shop.<domain>`, and with the domain's first label where it has several. */
  function short(name: string): KnownHost | undefined {
    if (domain === '') return undefined
    const dots = name.split('.')
    const [first = '', namespace, label, ...more] = dots
    if (more.length > 0) return undefined
    if (namespace === undefined) return callable(index.byHost.get(`${first}.${client.namespace}.${domain}`))
    if (label !== undefined && (!domain.startsWith(`${label}.`) || label === '')) return undefined
    return callable(index.byHost.get(`${first}.${namespace}.${domain}`))
  }

  function wildcardTable(): WildcardTable<VirtualHost> {
    const found = new Map<string, VirtualHost>()
    for (const known of index.wildcardHosts.filter(isCallable)) found.set(known.host, ofService(known))
    for (const [host, named] of listener?.wildcards ?? []) {
      // a wildcard that covers services is replaced by them
      if (found.has(host) || coversService(host)) continue
      const virtualHost = ofRules(host, named)
      if (virtualHost !== undefined) found.set(host, virtualHost)
    }
    return createWildcardTable(found)
  }

  function coversService(wildcard: string): boolean {
    for (const known of index.endingIn(wildcard.slice(1))) {
      if (isSubsetOf(known.host, wildcard) && isCallable(known)) return true
    }
    return false
  }

  function wildcard(name: string): VirtualHost | undefined {
    wildcards ??= wildcardTable()
    return wildcards.find(name)
  }

  function look(authority: string): VirtualHost {
    const { name, isAbsolute } = parseAuthority(authority)
    // a name with a wildcard in it is nobody's
    if (name === '' || isWildcard(name)) return unknown
    const named = exact(name)
    if (named !== undefined) return named
    const known = isAbsolute ? undefined : (short(name) ?? callable(index.byAddress.get(name)))
    return known === undefined ? (wildcard(name) ?? unknown) : ofService(known)
  }

  return {
    find(authority) {
      return authority.length > rememberedLength ? look(authority) : remembered.get(authority, look)
    },
  }
}
