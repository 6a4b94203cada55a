import { MeshError } from '../../mesh/std/errors.ts'
import type { Resources } from '../resources.ts'
import type { Route } from './route.ts'

/** Applying, reading, analyzing and deleting operators' resources. */
export function resourceRoutes(resources: Resources): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/resources',
      handle: ({ body, query }) =>
        resources.apply(body, query.get('file') ?? 'request', { dryRun: query.get('dryRun') === 'true' }),
    },
    {
      method: 'GET',
      path: '/v1/resources',
      async handle({ query }) {
        const wanted = (name: string, value: string) => (query.get(name) ?? value).toLowerCase() === value.toLowerCase()
        const stored = await resources.list()
        return {
          resources: stored
            .filter(one => wanted('kind', one.kind) && wanted('namespace', one.namespace) && wanted('name', one.name))
            .map(one => ({ version: one.version, createdAt: one.createdAt, document: JSON.parse(one.document) })),
        }
      },
    },
    { method: 'GET', path: '/v1/findings', handle: () => ({ findings: resources.findings() }) },
    {
      method: 'DELETE',
      path: '/v1/resources/:kind/:namespace/:name',
      async handle({ params }) {
        const { kind = '', namespace = '', name = '' } = params
        if (await resources.remove(kind, namespace, name)) return
        throw new MeshError('WEFT_NOT_FOUND', `there is no ${kind} ${namespace}/${name}`)
      },
    },
  ]
}
