import type { Config, SidecarSpec } from '../model/traffic.ts'
import { boundListenerOf } from './bound-listeners.ts'
import { createEgressListener, type EgressListener } from './egress.ts'
import { fullHost } from './hosts.ts'
import { selectSidecar } from './sidecar.ts'
import { isExportedTo } from './visibility.ts'
import type { RoutingClient } from './world.ts'
import type { KnownHost, KnownVirtualService, WorldIndex } from './world-index.ts'

/** What one client sees of the mesh. */
export interface ClientScope {
  readonly client: RoutingClient
  readonly sidecar: Config<SidecarSpec> | undefined
  /** For calls of one port: the Sidecar's listener for it, else its listener without a port; undefined without either. */
  listener(port: number): EgressListener | undefined
  /** For calls that come to the Sidecar's own listener of this port; undefined when it has none. */
  bound(port: number): EgressListener | undefined
  /**
   * The service of a full host that rules may send calls to: what any listener sees, and what the VirtualServices in scope
   * name as destinations. Of several of one host the client's own namespace counts, then the alphabet.
   */
  service(host: string): KnownHost | undefined
}

export function createScope(index: WorldIndex, client: RoutingClient): ClientScope {
  const { namespace } = client
  const sidecar = selectSidecar(index, client)
  const egress = sidecar?.spec.egress ?? []
  const listeners = egress.map(each => ({
    port: each.port?.number,
    isBound: boundListenerOf(each) !== undefined,
    listener: createEgressListener(index, namespace, each.hosts ?? []),
  }))
  if (egress.length === 0) {
    listeners.push({ port: undefined, isBound: false, listener: createEgressListener(index, namespace, undefined) })
  }
  const rest = listeners.find(({ port }) => port === undefined)?.listener
  const virtualServices = new Set(listeners.flatMap(({ listener }) => listener.virtualServices))
  let destinations: ReadonlySet<string> | undefined

  return {
    client,
    sidecar,
    listener: wanted => listeners.find(({ port, isBound }) => port === wanted && !isBound)?.listener ?? rest,
    bound: wanted => listeners.find(({ port, isBound }) => port === wanted && isBound)?.listener,
    service(host) {
      const all = index.byHost.get(host) ?? []
      const seen = ofOwnNamespace(
        all.filter(known => listeners.some(({ listener }) => listener.sees(known))),
        namespace,
      )
      if (seen !== undefined || all.length === 0) return seen
      destinations ??= destinationHosts(virtualServices, index.world.domain)
      const named = all.filter(
        ({ names, exports }) => isExportedTo(exports, namespace) && names.some(name => destinations?.has(name)),
      )
      return ofOwnNamespace(named, namespace)
    },
  }
}

/** Of services of one host, that of the namespace, else the first. */
export function ofOwnNamespace(known: readonly KnownHost[], namespace: string): KnownHost | undefined {
  return known.find(each => each.namespace === namespace) ?? known[0]
}

function destinationHosts(virtualServices: Iterable<KnownVirtualService>, domain: string): ReadonlySet<string> {
  const hosts = new Set<string>()
  for (const virtualService of virtualServices) {
    const { config } = virtualService
    const { tcp = [], tls = [] } = config.spec
    const http = virtualService.http().map(({ spec }) => spec)
    const mirrors = http.flatMap(({ mirror, mirrors }) => [
      ...(mirror === undefined ? [] : [mirror]),
      ...(mirrors ?? []).map(({ destination }) => destination),
    ])
    const routed = [...http, ...tcp, ...tls].flatMap(({ route }) => (route ?? []).map(each => each.destination))
    for (const { host } of [...mirrors, ...routed]) hosts.add(fullHost(host.toLowerCase(), config.namespace, domain))
  }
  return hosts
}
