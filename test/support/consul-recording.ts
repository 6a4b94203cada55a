import type { ConsulRegistration } from './consul.ts'
import { httpOnce } from './http-json.ts'

/** One answer of Consul's HTTP API, as kept in test/fixtures/consul. */
export interface RecordedAnswer {
  readonly path: string
  readonly status: number
  /** Headers that matter to a client; those that change from run to run are kept as names only. */
  readonly headers: readonly string[]
  readonly body: unknown
}

const registrations: readonly ConsulRegistration[] = [
  {
    Node: 'vm-1',
    Address: '10.88.0.1',
    NodeMeta: { 'weft-locality': 'eu/a' },
    Service: {
      ID: 'api-1',
      Service: 'api',
      Tags: ['v1', 'stage=blue'],
      Address: '10.88.0.11',
      Port: 8080,
      Meta: { version: 'v1', 'weft-protocol': 'http' },
      Weights: { Passing: 5, Warning: 2 },
    },
    Checks: [
      { CheckID: 'node', Name: 'node', Status: 'passing' },
      { CheckID: 'service:api-1', Name: 'api', ServiceID: 'api-1', Status: 'warning' },
    ],
  },
  { Node: 'vm-2', Address: '10.88.0.2', Service: { ID: 'api-2', Service: 'api', Port: 8081 } },
  {
    Node: 'vm-2',
    Address: '10.88.0.2',
    Check: { CheckID: '_service_maintenance:api-2', Name: 'm', ServiceID: 'api-2', Status: 'critical' },
  },
  {
    Node: 'vm-1',
    Address: '10.88.0.1',
    NodeMeta: { 'weft-locality': 'eu/a' },
    Service: {
      Kind: 'connect-proxy',
      ID: 'api-1-proxy',
      Service: 'api-proxy',
      Port: 21000,
      Proxy: { DestinationServiceName: 'api' },
    },
  },
]

const reads = [
  '/catalog/services',
  '/catalog/nodes',
  '/health/state/critical',
  '/health/state/warning',
  '/health/state/passing',
  '/health/service/api',
  '/health/service/api-proxy',
  '/health/service/consul',
  '/health/service/nobody',
  '/catalog/services?stale',
]

/** Registers the same few things at a Consul, real or fake, and reads them in all the ways the adapter does. */
export async function recordConsul(address: string): Promise<readonly RecordedAnswer[]> {
  for (const registration of registrations) {
    const answer = await httpOnce('PUT', `${address}/v1/catalog/register`, registration)
    if (answer.status !== 200) throw new Error(answer.body)
  }
  const answers: RecordedAnswer[] = []
  for (const path of reads) {
    const { status, headers, body } = await httpOnce('GET', `${address}/v1${path}`)
    const relevant = Object.keys(headers).filter(name => name.startsWith('x-consul') || name === 'content-type')
    answers.push({ path, status, headers: relevant.sort(), body: JSON.parse(body) })
  }
  return answers
}

/**
 * What a client may rely on: names, types and nesting. Lists keep one shape for each different one among their items;
 * indexes, ids and texts become their types. Objects whose keys are data (meta, tags) are kept as they are.
 */
export function shapeOf(value: unknown, key = ''): unknown {
  if (value === null || typeof value !== 'object') return value === null ? 'null' : typeof value
  if (Array.isArray(value)) {
    const shapes = new Set(value.map(item => JSON.stringify(shapeOf(item))))
    return [...shapes].sort().map(shape => JSON.parse(shape))
  }
  // Address families are spelled out by newer agents and mean nothing to the adapter.
  if (key === 'TaggedAddresses') return 'object'
  const entries = Object.entries(value).filter(([name]) => name !== 'TaggedAddresses')
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, item]) => [name, shapeOf(item, name)]),
  )
}
