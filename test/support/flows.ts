import type { SeenFlow } from '../../mesh/flows/flow.ts'

/** A request that web makes of the workload `static/api-1`, seen once. */
export function aFlow(values: Partial<SeenFlow> = {}): SeenFlow {
  return {
    caller: 'spiffe://mesh.test/ns/default/sa/web',
    network: '10.0.0.0/24',
    workload: 'static/api-1',
    service: 'default/api',
    port: 8080,
    protocol: 'http',
    method: 'GET',
    path: '/',
    principal: '',
    allowed: true,
    count: 1,
    firstSeen: 1_000,
    lastSeen: 1_000,
    ...values,
  }
}
