import type { CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import { permits } from '../access/grants.ts'
import type { MergeRules } from '../catalogue/merge-rules.ts'
import type { Migration, MigrationRequest } from '../migrate.ts'
import type { ViewOfRegistry } from '../registry-parts.ts'
import { type ServiceDetail, serviceDetail } from '../service-detail.ts'
import { type ApiRequest, jsonBody, type Route, textField } from './route.ts'

/** One row of `weft services`. */
export interface ServiceView {
  readonly namespace: string
  readonly name: string
  readonly hosts: readonly string[]
  readonly virtualIps: readonly string[]
  readonly location: string
  readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: string }[]
  readonly registries: readonly string[]
  readonly endpoints: number
  readonly healthy: number
}

/** Services with everything behind them, and the server's clock that their times are to be read by. */
export interface ServiceDetails {
  readonly now: number
  readonly services: readonly ServiceDetail[]
}

export interface ServiceRoutesDeps {
  catalogue(): CatalogueSnapshot
  rules(): MergeRules
  readonly views: readonly ViewOfRegistry[]
  migrate(request: MigrationRequest): Promise<Migration>
  now(): number
}

/** The merged services, what they are made of, and moving one from registry to registry. */
export function serviceRoutes(deps: ServiceRoutesDeps): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/services',
      access: { verb: 'read', of: 'services', scope: 'filtered' },
      handle({ query, by }) {
        const visible = (namespace: string) => permits(by.grants, { verb: 'read', of: 'services', namespace })
        if (query.get('detail') === 'true') return details(deps, visible)
        return { services: views(deps.catalogue()).filter(({ namespace }) => visible(namespace)) }
      },
    },
    {
      method: 'GET',
      path: '/v1/services/:namespace/:name',
      access: { verb: 'read', of: 'services', scope: 'path' },
      handle: ({ params }) => details(deps, () => true, `${params.namespace}/${params.name}`),
    },
    {
      method: 'POST',
      path: '/v1/services/:namespace/:name/migrate',
      access: { verb: 'write', of: 'services', scope: 'path' },
      handle: request => deps.migrate({ ...migrationRequest(request), by: request.by }),
    },
  ]
}

function views(catalogue: CatalogueSnapshot): readonly ServiceView[] {
  const isHealthy = (id: string) => catalogue.workloads.get(id)?.health === 'healthy'
  return [...catalogue.services.values()].map(service => ({
    namespace: service.namespace,
    name: service.name,
    hosts: service.hosts,
    virtualIps: service.virtualIps,
    location: service.location,
    ports: service.ports,
    registries: service.registries,
    endpoints: service.endpoints.length,
    healthy: service.endpoints.filter(one => isHealthy(one.workload)).length,
  }))
}

/** Of one service, or of all in visible namespaces. */
function details(deps: ServiceRoutesDeps, visible: (namespace: string) => boolean, key?: string): ServiceDetails {
  const sources = { catalogue: deps.catalogue(), rules: deps.rules(), views: deps.views }
  const { services } = sources.catalogue
  const wanted =
    key === undefined ? [...services.values()].filter(({ namespace }) => visible(namespace)) : [services.get(key)]
  return {
    now: deps.now(),
    services: wanted.map(service => {
      if (service === undefined) throw new MeshError('WEFT_NOT_FOUND', `there is no service ${key}`)
      return serviceDetail(sources, service)
    }),
  }
}

function migrationRequest(request: ApiRequest): MigrationRequest {
  const body = jsonBody(request)
  const { namespace = '', name = '' } = request.params
  const from = textField(body, 'from')
  const to = textField(body, 'to')
  const { step, share, atLeastHealthy } = body
  if ((step === undefined) === (share === undefined)) {
    throw new MeshError('WEFT_USAGE', 'the body must have either step or share')
  }
  const move =
    step === undefined
      ? { kind: 'to' as const, percent: wholeNumber(share, 'share', 0, 100) }
      : { kind: 'by' as const, percent: wholeNumber(step, 'step', 1, 100) }
  if (atLeastHealthy === undefined) return { namespace, name, from, to, move }
  const least = wholeNumber(atLeastHealthy, 'atLeastHealthy', 1, Number.MAX_SAFE_INTEGER)
  return { namespace, name, from, to, move, atLeastHealthy: least }
}

function wholeNumber(value: unknown, field: string, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  throw new MeshError('WEFT_USAGE', `${field} is not a whole number from ${least} to ${most}`, { fields: { field } })
}
