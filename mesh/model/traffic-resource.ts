import type {
  Config,
  DestinationRuleSpec,
  MeshSettingsSpec,
  SidecarSpec,
  TrafficConfig,
  VirtualServiceSpec,
} from './traffic.ts'

/** The operators' resources that decide about traffic, by kind. */
export interface TrafficSpecs {
  readonly VirtualService: VirtualServiceSpec
  readonly DestinationRule: DestinationRuleSpec
  readonly Sidecar: SidecarSpec
  readonly MeshSettings: MeshSettingsSpec
}

export type TrafficKind = keyof TrafficSpecs

/** One of them on its way to an agent. */
export type TrafficResource = { [Kind in TrafficKind]: TrafficResourceOf<Kind> }[TrafficKind]

interface TrafficResourceOf<Kind extends TrafficKind> extends Config<TrafficSpecs[Kind]> {
  readonly kind: 'traffic'
  readonly resource: Kind
}

/**
 * The resources as routing reads them. MeshSettings hold from the root namespace only, and of several the oldest does
 * (of one age the first by name).
 */
export function trafficConfigOf(rootNamespace: string, resources: readonly TrafficResource[]): TrafficConfig {
  const settings = resources
    .filter(one => one.resource === 'MeshSettings')
    .filter(({ namespace }) => namespace === rootNamespace)
    .sort((a, b) => a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1))
  return {
    rootNamespace,
    virtualServices: resources.filter(one => one.resource === 'VirtualService').map(configOf),
    destinationRules: resources.filter(one => one.resource === 'DestinationRule').map(configOf),
    sidecars: resources.filter(one => one.resource === 'Sidecar').map(configOf),
    mesh: settings[0]?.spec ?? {},
  }
}

function configOf<Spec>({ namespace, name, createdAt, spec }: Config<Spec>): Config<Spec> {
  return { namespace, name, createdAt, spec }
}
