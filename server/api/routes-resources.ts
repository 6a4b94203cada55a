import { MeshError } from '../../mesh/std/errors.ts'
import { permits } from '../access/grants.ts'
import type { Resources } from '../resources.ts'
import type { Writer } from './access.ts'
import type { Route } from './route.ts'

/** Applying, reading, analyzing and deleting operators' resources. */
export function resourceRoutes(resources: Resources): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/resources',
      access: { verb: 'write', of: 'resources', scope: 'judged' },
      handle: ({ body, query, by }) =>
        resources.apply(body, query.get('file') ?? 'request', {
          dryRun: query.get('dryRun') === 'true',
          force: query.get('force') === 'true',
          by,
        }),
    },
    {
      method: 'GET',
      path: '/v1/resources',
      access: { verb: 'read', of: 'resources', scope: 'filtered' },
      async handle({ query, by }) {
        const wanted = (name: string, value: string) => (query.get(name) ?? value).toLowerCase() === value.toLowerCase()
        const stored = await resources.list()
        return {
          resources: stored
            .filter(one => wanted('kind', one.kind) && wanted('namespace', one.namespace) && wanted('name', one.name))
            .filter(one => visible(by, one.namespace))
            .map(one => ({ version: one.version, createdAt: one.createdAt, document: JSON.parse(one.document) })),
        }
      },
    },
    {
      method: 'GET',
      path: '/v1/findings',
      access: { verb: 'read', of: 'resources', scope: 'filtered' },
      handle: ({ by }) => ({
        findings: resources.findings().filter(({ resource }) => visible(by, namespaceOf(resource))),
      }),
    },
    {
      method: 'DELETE',
      path: '/v1/resources/:kind/:namespace/:name',
      access: { verb: 'write', of: 'resources', scope: 'judged' },
      async handle({ params: { kind = '', namespace = '', name = '' }, by }) {
        if (await resources.remove(kind, namespace, name, by)) return
        throw new MeshError('WEFT_NOT_FOUND', `there is no ${kind} ${namespace}/${name}`)
      },
    },
  ]
}

function visible({ grants }: Writer, namespace: string): boolean {
  return permits(grants, { verb: 'read', of: 'resources', namespace })
}

/** Of `<kind> <namespace>/<name>`. */
function namespaceOf(described: string): string {
  return described.slice(described.indexOf(' ') + 1).split('/')[0] ?? ''
}
