import { type Locality, networkLabel, parseLocality } from '../model/locality.ts'
import type { LocalitySettings } from './cluster.ts'

type Labels = Readonly<Record<string, string>>

/** An endpoint as far as localities are concerned. */
export interface LocalEndpoint {
  readonly locality: Locality
  readonly labels: Labels
  readonly weight: number
}

/** Endpoints of one locality that are equally near. */
export interface EndpointGroup<E extends LocalEndpoint> {
  readonly locality: Locality
  /** 0 is called first, without gaps; the next only as far as those before have too few healthy endpoints. */
  readonly priority: number
  /** Share of the traffic among groups of the same priority. */
  readonly weight: number
  /** At least one. */
  readonly endpoints: readonly E[]
}

/** Who calls: where it is, and its labels for `failoverPriority`. */
export interface LocalClient {
  readonly locality: Locality
  readonly labels: Labels
}

/**
 * Groups endpoints by locality and orders the groups for a client (Istio destination_rule.proto,
 * LocalityLoadBalancerSetting): `distribute` weighs localities, else priorities fall from the client's own subzone over
 * zone and region to the rest, or as `failover` and `failoverPriority` say. With `zoneAware` the zones of a region are
 * equally near. Without it and without `failsOver` all groups have priority 0: nothing would tell that the near endpoints
 * have failed. Endpoints are not filtered by health.
 */
export function groupEndpoints<E extends LocalEndpoint>(
  endpoints: readonly E[],
  client: LocalClient,
  settings: LocalitySettings,
  failsOver: boolean,
): readonly EndpointGroup<E>[] {
  const groups = byLocality(endpoints)
  if (!settings.enabled) return groups
  if (settings.distribute.length > 0) return distribute(groups, client, settings)
  const { failover, failoverPriority, zoneAware } = settings
  if (!failsOver && zoneAware === undefined) return groups
  const byLabels = failoverPriority.length > 0
  const ranked = byLabels ? rankByLabels(groups, client.labels, failoverPriority) : groups
  if (byLabels && failover.length === 0 && zoneAware === undefined) return withoutGaps(ranked)
  const nearest = zoneAware === undefined ? 0 : ownRegion
  // at most five ranks of distance within each rank by labels
  const near = ranked.map(group => ({
    ...group,
    priority: group.priority * 5 + Math.max(nearest, distance(client.locality, group.locality, failover)),
  }))
  return withoutGaps(near)
}

/**
 * Whether near endpoints come first: with outlier detection as in Istio, and without it where it is known who is near,
 * because registries tell who is healthy. A client whose place nobody knows is near to nobody, whatever is unknown of them.
 */
export function nearComeFirst(
  { locality }: LocalClient,
  { failoverPriority }: LocalitySettings,
  outliers: boolean,
): boolean {
  return outliers || locality.region !== '' || failoverPriority.length > 0
}

/** The {@link distance} of everything in the client's region. */
const ownRegion = 2

function byLocality<E extends LocalEndpoint>(endpoints: readonly E[]): EndpointGroup<E>[] {
  const found = Map.groupBy(endpoints, ({ locality: { region, zone, subzone } }) => `${region}/${zone}/${subzone}`)
  return [...found.keys()].toSorted().flatMap(key => group(found.get(key) ?? [], 0))
}

function group<E extends LocalEndpoint>(endpoints: readonly E[], priority: number): EndpointGroup<E>[] {
  const [first] = endpoints
  if (first === undefined) return []
  const weight = endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0)
  return [{ locality: first.locality, priority, weight, endpoints }]
}

/** 0 in the same subzone, then zone, region; 3 elsewhere; 4 elsewhere where a `failover` names another region. */
function distance(client: Locality, other: Locality, failover: LocalitySettings['failover']): number {
  if (client.region === other.region) {
    if (client.zone !== other.zone) return 2
    return client.subzone === other.subzone ? 0 : 1
  }
  const next = failover.find(({ from }) => from === client.region)
  return next === undefined || next.to === other.region ? 3 : 4
}

/** Splits every group by how many of the labels, from the first on, its endpoints share with the client. */
function rankByLabels<E extends LocalEndpoint>(
  groups: readonly EndpointGroup<E>[],
  client: Labels,
  priorities: readonly string[],
): readonly EndpointGroup<E>[] {
  if (Object.keys(client).length === 0) return groups
  const wanted = priorities.map(text => {
    const [label = '', value] = text.split('=')
    return { label, value: value ?? client[label] ?? '' }
  })
  return groups.flatMap(({ endpoints }) => {
    const ranked = Map.groupBy(endpoints, ({ labels }) => rank(labels, wanted))
    const ranks = [...ranked.keys()].toSorted((a, b) => a - b)
    return ranks.flatMap(priority => group(ranked.get(priority) ?? [], priority))
  })
}

function rank(labels: Labels, wanted: readonly { readonly label: string; readonly value: string }[]): number {
  let shift = 0
  for (const [index, { label, value }] of wanted.entries()) {
    if ((labels[label] ?? '') === value) continue
    // another network comes behind all of the own, but is told apart by the labels that follow
    if (index === 0 && label === networkLabel) shift = wanted.length
    else return shift + wanted.length - index
  }
  return shift
}

function withoutGaps<E extends LocalEndpoint>(groups: readonly EndpointGroup<E>[]): EndpointGroup<E>[] {
  const used = [...new Set(groups.map(({ priority }) => priority))].toSorted((a, b) => a - b)
  return groups.map(each => ({ ...each, priority: used.indexOf(each.priority) }))
}

/** Gives each target of the first fitting `from` its share, split by weight; what no target names gets nothing. */
function distribute<E extends LocalEndpoint>(
  groups: readonly EndpointGroup<E>[],
  client: LocalClient,
  settings: LocalitySettings,
): readonly EndpointGroup<E>[] {
  const setting = settings.distribute.find(({ from }) => covers(from, client.locality))
  if (setting === undefined) return groups
  let left = groups
  return Object.entries(setting.to).flatMap(([target, share]) => {
    const chosen = left.filter(({ locality }) => covers(target, locality))
    left = left.filter(each => !chosen.includes(each))
    const total = chosen.reduce((sum, { weight }) => sum + weight, 0)
    return chosen.map(each => {
      const weight = Math.ceil((each.weight * share) / total)
      return weight > 0 ? { ...each, weight } : each
    })
  })
}

/** `region/zone/subzone` of a setting, where `*` and what is left out stand for any. */
function covers(pattern: string, { region, zone, subzone }: Locality): boolean {
  const wanted = parseLocality(pattern)
  const fits = (want: string, is: string) => want === '*' || want === '' || want === is
  return (wanted.region === '*' || wanted.region === region) && fits(wanted.zone, zone) && fits(wanted.subzone, subzone)
}
