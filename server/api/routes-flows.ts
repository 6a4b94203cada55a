import type { SeenFlow } from '../../mesh/flows/flow.ts'
import type { CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import { permits } from '../access/grants.ts'
import { createPlacement } from '../compile/placement.ts'
import type { FlowStore } from '../flows/flow-store.ts'
import { planOf } from '../flows/plan.ts'
import type { Resources } from '../resources.ts'
import type { Writer } from './access.ts'
import { type ApiRequest, jsonBody, type Route } from './route.ts'

export interface FlowRoutesDeps {
  now(): number
  readonly trustDomain: string
  readonly rootNamespace: string
  catalogue(): CatalogueSnapshot
  readonly flows: Pick<FlowStore, 'all'>
  readonly resources: Pick<Resources, 'preview'>
  /** Every node that has joined. */
  nodes(): readonly string[]
}

/** A flow as the API shows it. */
export interface FlowView extends SeenFlow {
  readonly node: string
}

const maxDeleted = 1_000

/** Which calls were seen, and what a change of resources would do to their callers. */
export function flowRoutes(deps: FlowRoutesDeps): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/flows',
      access: { verb: 'read', of: 'resources', scope: 'filtered' },
      handle: ({ by }) => ({
        now: deps.now(),
        flows: deps.flows
          .all()
          .flatMap(({ node, flows }) => flows.map((flow): FlowView => ({ node, ...flow })))
          .filter(flow => visible(by, flow)),
      }),
    },
    {
      method: 'POST',
      path: '/v1/plan',
      access: { verb: 'read', of: 'resources', scope: 'filtered' },
      handle: request => plan(deps, request),
    },
  ]
}

function plan(deps: FlowRoutesDeps, request: ApiRequest) {
  const { by } = request
  by.wroteNothing()
  const { text = '', file = 'request', deleted = [] } = jsonBody(request)
  if (typeof text !== 'string' || typeof file !== 'string' || !isList(deleted)) {
    throw new MeshError('WEFT_USAGE', 'the body is not { text, file, deleted }')
  }
  const { before, after } = deps.resources.preview(text, file, deleted)
  const flows = deps.flows.all().map(one => ({ ...one, flows: one.flows.filter(flow => visible(by, flow)) }))
  const catalogue = deps.catalogue()
  const { trustDomain, rootNamespace } = deps
  return planOf(
    { before, after, flows, nodes: deps.nodes() },
    { catalogue, placement: createPlacement()(catalogue), trustDomain, rootNamespace, now: deps.now() },
  )
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length <= maxDeleted && value.every(one => typeof one === 'string')
}

function visible({ grants }: Writer, { service }: SeenFlow): boolean {
  return permits(grants, { verb: 'read', of: 'resources', namespace: service.split('/')[0] ?? '' })
}
