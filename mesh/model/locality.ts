/** Where something runs, from wide to narrow; empty strings where unknown (Istio's `region/zone/subzone`). */
export interface Locality {
  readonly region: string
  readonly zone: string
  readonly subzone: string
}

/** The label of the network an endpoint is in (istio.io/api label `TopologyNetwork`). */
export const networkLabel = 'topology.istio.io/network'

export const unknownLocality: Locality = { region: '', zone: '', subzone: '' }

/** Reads Istio's `region/zone/subzone`; missing parts are empty. */
export function parseLocality(text: string): Locality {
  const [region = '', zone = '', subzone = ''] = text.split('/')
  return { region, zone, subzone }
}
