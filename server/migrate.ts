import type { CatalogueSnapshot } from '../mesh/model/catalogue.ts'
import { serviceKey } from '../mesh/model/service.ts'
import { describeResource, type Resource } from '../mesh/resources/resource.ts'
import type { ServiceMerge } from '../mesh/resources/service-merge.ts'
import { MeshError } from '../mesh/std/errors.ts'
import { differenceOf } from './catalogue/difference.ts'
import { composeMergeRules, type MergeRulesText, type MergeVerdict } from './catalogue/merge-rules.ts'
import { placedSelectors } from './catalogue/merge-selectors.ts'
import { type RegistryPart, registryParts, type ViewOfRegistry } from './registry-parts.ts'
import type { ResourceWriter } from './resource-writes.ts'
import type { Resources } from './resources.ts'
import type { RegistryStatus } from './status.ts'
import { moveShare, percentOf, type ShareMove, type Shares, sharesByRule } from './traffic-shares.ts'

/** A step of moving a service's traffic from one registry to another. */
export interface MigrationRequest {
  /** Nobody in particular when left out. */
  readonly by?: ResourceWriter
  readonly namespace: string
  readonly name: string
  readonly from: string
  readonly to: string
  /** What becomes of the share of {@link to}; `from` has the rest of what both have together. */
  readonly move: ShareMove
  /** Refuses the step when `to` has fewer endpoints than this that take new connections. */
  readonly atLeastHealthy?: number
}

/** One registry before and after a step. */
export interface MigrationSide {
  readonly registry: string
  /** Share of the service's traffic in percent, before and after. */
  readonly before: number
  readonly after: number
  readonly endpoints: number
  /** How many of them take new connections. */
  readonly healthy: number
}

/** What a step has done. */
export interface Migration {
  readonly service: string
  readonly from: MigrationSide
  readonly to: MigrationSide
  /** The resource that holds the shares: `ServiceMerge default/payments`. */
  readonly rule: string
  /** False when the shares were as asked already, and nothing was written. */
  readonly changed: boolean
}

export interface MigrateDeps {
  readonly resources: Pick<Resources, 'change'>
  /** What holds where no resource says anything. */
  readonly merge: MergeRulesText & { readonly rootNamespace: string }
  /** In the order of the configuration. */
  readonly views: readonly ViewOfRegistry[]
  catalogue(): CatalogueSnapshot
  registries(): readonly RegistryStatus[]
}

/**
 * Moves some of a service's traffic from one registry to another, by writing the shares into its ServiceMerge in one
 * atomic step. Throws WEFT_NOT_FOUND for a registry or service that does not exist, WEFT_USAGE for a share that cannot
 * be, WEFT_MIGRATION_REFUSED with the reason when the traffic would not arrive or another rule holds, and
 * WEFT_RESOURCE_CONFLICT when somebody else has changed the rule meanwhile.
 */
export async function migrate(deps: MigrateDeps, request: MigrationRequest): Promise<Migration> {
  const { from, to } = request
  const key = serviceKey(request)
  if (from === to) throw new MeshError('WEFT_USAGE', `${from} is named as both sides`)
  const names = deps.views.map(view => view.name)
  for (const name of [from, to]) {
    if (names.includes(name)) continue
    throw new MeshError('WEFT_NOT_FOUND', `no registry is called ${name}`, { next: `there are ${names.join(', ')}` })
  }
  const parts = registryParts(key, deps.views, deps.catalogue().workloads)
  const [first] = parts
  if (first === undefined) throw new MeshError('WEFT_NOT_FOUND', `no registry knows a service ${key}`)
  const giver = partOf(parts, from, key)
  const taker = partOf(parts, to, key)
  for (const part of [giver, taker]) {
    const difference = differenceOf(first.service, part.service)
    if (difference !== undefined) throw refused(`${first.registry} and ${part.registry} do not agree: ${difference}`)
  }
  return deps.resources.change<Migration>(before => {
    const verdict = composeMergeRules(deps.merge, before, names).ruleFor(first.service)
    refuseOtherRule(verdict, first.registry, request)
    const shares = sharesByRule(verdict.rule, parts)
    const next = moveShare(shares, from, to, request.move)
    if (next === undefined) {
      const most = Math.floor(percentOf(shares, from) + percentOf(shares, to))
      throw new MeshError('WEFT_USAGE', `${to} can have ${most} percent at most`, {
        fields: Object.fromEntries(shares),
      })
    }
    const side = (part: RegistryPart): MigrationSide => ({
      registry: part.registry,
      before: percentOf(shares, part.registry),
      after: percentOf(next, part.registry),
      endpoints: part.service.endpoints.length,
      healthy: part.healthy,
    })
    const result = { service: key, from: side(giver), to: side(taker) }
    if (result.from.before === result.from.after) {
      return { result: { ...result, rule: verdict.from, changed: false } }
    }
    if (result.to.after > result.to.before) refuseUnsafe(deps, request, taker)
    else if (giver.healthy === 0) throw noneHealthy(giver)
    const resource = withShares(before, request, deps.merge.rootNamespace, next)
    return { resource, result: { ...result, rule: describeResource(resource), changed: true } }
  }, request.by)
}

function partOf(parts: readonly RegistryPart[], registry: string, key: string): RegistryPart {
  const part = parts.find(one => one.registry === registry)
  if (part === undefined) throw refused(`registry ${registry} does not know service ${key}`)
  return part
}

/** Only shares can be moved; where one registry alone counts, somebody wanted that, or nobody has decided yet. */
function refuseOtherRule({ rule, from: source }: MergeVerdict, first: string, { from, to }: MigrationRequest): void {
  if (rule.kind === 'prefer') {
    throw refused(
      `${source} says that registry ${rule.registry} is preferred`,
      'say rule: union there, or apply a ServiceMerge for this service',
    )
  }
  if (rule.kind === 'error' && first !== from) {
    const next = to === first ? `migrate from ${to} to ${from}` : `migrate from ${first}, or apply a ServiceMerge`
    throw refused(`nothing merges the registries, so that all traffic goes to ${first}, not to ${from}`, next)
  }
}

/** What keeps more traffic from going to a registry. */
function refuseUnsafe(deps: MigrateDeps, { atLeastHealthy = 1 }: MigrationRequest, taker: RegistryPart): void {
  const status = deps.registries().find(one => one.name === taker.registry)
  if (status?.state === 'stale') {
    const why = status.reason === undefined ? '' : `: ${status.reason}`
    throw refused(`registry ${taker.registry} is stale, what it says of its endpoints may be old${why}`)
  }
  if (taker.healthy === 0) throw noneHealthy(taker)
  if (taker.healthy >= atLeastHealthy) return
  throw refused(
    `${taker.registry} has fewer healthy endpoints than before: ${taker.healthy} instead of ${atLeastHealthy}`,
  )
}

function noneHealthy({ registry, service }: RegistryPart): MeshError {
  return refused(`registry ${registry} has no healthy endpoint of ${serviceKey(service)}`)
}

function refused(message: string, next?: string): MeshError {
  return new MeshError('WEFT_MIGRATION_REFUSED', message, next === undefined ? {} : { next })
}

/** The resource that is for this service alone, or a new one of its name. */
function withShares(
  resources: readonly Resource[],
  { namespace, name }: MigrationRequest,
  rootNamespace: string,
  shares: Shares,
): ServiceMerge {
  const merges = resources.filter(resource => resource.kind === 'ServiceMerge')
  const weights = Object.fromEntries(shares)
  const own = merges.find(merge => {
    return placedSelectors(merge, rootNamespace).some(
      ({ selector }) => selector?.words === `service ${namespace}/${name}`,
    )
  })
  const holder = own ?? merges.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name)
  if (holder === undefined) {
    const metadata = { name, namespace }
    return {
      apiVersion: 'weft.dev/v1',
      kind: 'ServiceMerge',
      metadata,
      spec: { services: [name], rule: 'union', weights },
    }
  }
  if (own === undefined || placedSelectors(own, rootNamespace).length > 1) {
    throw refused(
      `${describeResource(holder)} is for other services too`,
      'give this service a ServiceMerge of its own',
    )
  }
  return { ...own, spec: { ...own.spec, rule: 'union', weights } }
}
