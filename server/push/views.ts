import { type AgentResource, type MeshServiceResource, resourceName } from '../../mesh/model/agent-config.ts'
import type { CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import type { PolicyResource } from '../../mesh/model/policy-resource.ts'
import type { TrafficResource } from '../../mesh/model/traffic-resource.ts'
import type { Resource } from '../../mesh/resources/resource.ts'
import type { Clock } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { changedKeys, type Table, tableOf } from '../../mesh/std/table.ts'
import { Watch } from '../../mesh/std/watch.ts'
import { encodeResource } from '../../mesh/wire/agent-config-codec.ts'
import type { AgentView } from '../../mesh/wire/delta.ts'
import type { EncodedResource } from '../../mesh/wire/messages.ts'
import { type Delegations, delegationsOf } from '../compile/delegations.ts'
import { compileNode } from '../compile/node.ts'
import { createPlacement, type Placement } from '../compile/placement.ts'
import { createPolicyCompiler } from '../compile/policy.ts'
import { indexPolicies, type PolicyIndex, policiesOn } from '../compile/policy-index.ts'
import { createServiceCompiler } from '../compile/services.ts'
import type { CompileSettings, KeysOf, MayHold, MtlsVerdict } from '../compile/settings.ts'
import { createTrafficCompiler } from '../compile/traffic.ts'
import { concerns, isVisible, namespacesOf } from '../compile/visibility.ts'
import { createDebounce } from './debounce.ts'

/** Everything that what agents get depends on. */
export interface ViewInputs {
  readonly catalogue: Watch<CatalogueSnapshot>
  /** Everything operators have applied. */
  readonly resources: Watch<readonly Resource[]>
  /** Nothing is compiled before this is true. */
  readonly ready: Watch<boolean>
  readonly settings: Watch<CompileSettings>
  readonly mayHold: Watch<MayHold>
  readonly mtls: Watch<MtlsVerdict>
  readonly keysOf: Watch<KeysOf>
}

export interface ViewDeps extends ViewInputs {
  readonly clock: Clock
  readonly log: Log
}

/** What each connected agent is to have. */
export interface Views {
  /** The view of a node from now on, until released; undefined while nothing has been compiled. */
  follow(node: string): { readonly view: Watch<AgentView | undefined>; release(): void }
  stop(): void
}

/** A lone change goes out at once; a burst after it has ended, but no later than after a second. */
const debounce = { quietMs: 100, capMs: 1000 }

interface Shared {
  readonly catalogue: CatalogueSnapshot
  readonly resources: readonly Resource[]
  readonly keysOf: KeysOf
  readonly settings: CompileSettings
  /** By service key. */
  readonly services: Encoded<MeshServiceResource>
  /** By resource name. */
  readonly traffic: Encoded<TrafficResource>
  readonly delegations: Delegations
  /** By resource name. */
  readonly policies: Encoded<PolicyResource>
  readonly policyIndex: PolicyIndex
  readonly placement: Placement
}

/** Resources and what they are on the wire, by the same keys. */
interface Encoded<T> {
  readonly plain: Table<T>
  readonly encoded: Table<EncodedResource>
}

/**
 * Compiles for all connected agents whenever something changes. What is the same for all of them is compiled and
 * encoded once; a compilation that fails leaves every agent with what it has.
 */
export function startViews(deps: ViewDeps): Views {
  const followed = new Map<Watch<AgentView | undefined>, string>()
  const compileServices = createServiceCompiler()
  const compileTraffic = createTrafficCompiler()
  const compilePolicies = createPolicyCompiler()
  const place = createPlacement()
  let shared: Shared | undefined
  let version = 0

  /** One resource that cannot be encoded must not keep all the others from changing. */
  const encodeOrKeep = (resource: AgentResource, last: EncodedResource | undefined): EncodedResource | undefined => {
    try {
      return encodeResource(resource)
    } catch (error) {
      const fields = { name: resourceName(resource), error: describeError(error) }
      deps.log.error('a resource cannot be encoded, agents keep its last version', fields)
      return last
    }
  }

  const encodeChanged = <T extends AgentResource>(before: Encoded<T> | undefined, plain: Table<T>): Encoded<T> => {
    const changes = changedKeys(before?.plain ?? tableOf(), plain).map(key => {
      const resource = plain.get(key)
      return [key, resource && encodeOrKeep(resource, before?.encoded.get(key))] as const
    })
    return { plain, encoded: (before?.encoded ?? tableOf()).with(changes) }
  }

  const compileShared = (): Shared => {
    const catalogue = deps.catalogue.value
    const resources = deps.resources.value
    const settings = deps.settings.value
    const keysOf = deps.keysOf.value
    const inputs = { catalogue, resources, settings, keysOf }
    if (shared !== undefined && sameInputs(shared, inputs)) return shared
    const services = encodeChanged(shared?.services, compileServices(catalogue, settings))
    const traffic = encodeChanged(shared?.traffic, compileTraffic(resources))
    const before = shared?.traffic.plain === traffic.plain ? shared?.delegations : undefined
    const delegations = before ?? delegationsOf(traffic.plain.values())
    const policies = encodeChanged(shared?.policies, compilePolicies(resources, keysOf))
    const samePolicies = shared?.policies.plain === policies.plain && shared.settings === settings
    const policyIndex =
      shared !== undefined && samePolicies ? shared.policyIndex : indexPolicies(policies.plain, settings.rootNamespace)
    return { ...inputs, services, traffic, delegations, policies, policyIndex, placement: place(catalogue) }
  }

  const update = (node: string, view: Watch<AgentView | undefined>, from: Shared): void => {
    const { placement, settings, services, traffic, delegations, policies, policyIndex } = from
    const own = compileNode({ node, placement, settings, mayHold: deps.mayHold.value, mtls: deps.mtls.value })
    const namespaces = namespacesOf(own)
    const resources = new Map(own.map(resource => [resourceName(resource), encodeResource(resource)] as const))
    const add = (resource: EncodedResource | undefined) => resource && resources.set(resource.name, resource)
    const serviceNamespaces = new Set<string>()
    for (const [key, { namespace, exportTo }] of services.plain) {
      if (!isVisible(exportTo, namespaces)) continue
      serviceNamespaces.add(namespace)
      add(services.encoded.get(key))
    }
    const scope = { namespaces, serviceNamespaces, rootNamespace: settings.rootNamespace, delegations }
    for (const [name, resource] of traffic.plain) if (concerns(resource, scope)) add(traffic.encoded.get(name))
    for (const name of policiesOn(node, placement, policyIndex)) add(policies.encoded.get(name))
    if (view.value !== undefined && sameResources(view.value.resources, resources)) return
    version += 1
    view.set({ version, resources })
  }

  const compile = (only?: Watch<AgentView | undefined>): void => {
    if (!deps.ready.value) return
    try {
      const next = compileShared()
      shared = next
      for (const [view, node] of followed) if (only === undefined || view === only) update(node, view, next)
    } catch (error) {
      deps.log.error('compiling failed, agents keep what they have', { error: describeError(error) })
    }
  }

  const due = createDebounce(deps.clock, debounce, () => compile())
  const alone = [deps.catalogue, deps.ready, deps.settings, deps.mayHold, deps.keysOf]
  // What operators apply in one piece comes in two, the services of it by way of the catalogue: agents get it whole.
  const inPieces = [deps.resources, deps.mtls]
  const unsubscribe = [
    ...alone.map(source => source.subscribe(() => due.poke())),
    ...inPieces.map(source => source.subscribe(() => due.begin())),
  ]
  return {
    follow(node) {
      const view = new Watch<AgentView | undefined>(undefined)
      followed.set(view, node)
      compile(view)
      return { view, release: () => void followed.delete(view) }
    },
    stop() {
      due.stop()
      for (const end of unsubscribe) end()
    },
  }
}

function sameInputs(a: Shared, b: Pick<Shared, 'catalogue' | 'resources' | 'settings' | 'keysOf'>): boolean {
  const same = a.catalogue === b.catalogue && a.resources === b.resources
  return same && a.settings === b.settings && a.keysOf === b.keysOf
}

function sameResources(a: ReadonlyMap<string, EncodedResource>, b: ReadonlyMap<string, EncodedResource>): boolean {
  if (a.size !== b.size) return false
  for (const [name, { hash }] of b) if (a.get(name)?.hash !== hash) return false
  return true
}
