import t, { type Test } from 'tap'
import { FakeNomad } from '../../../../fakes/nomad.ts'
import {
  type NomadAllocation,
  type NomadNode,
  type NomadRegistration,
  recordedText,
} from '../../../../fakes/nomad-model.ts'
import { type Recording, recording, recordingNames } from '../../../../fakes/nomad-recorded.ts'
import { registrationsOf } from '../../../../fakes/nomad-registrations.ts'
import { shapeOf } from '../../../../support/consul-recording.ts'
import { httpOnce } from '../../../../support/http-json.ts'

/** The fake given the nodes and allocations that were recorded answers what was recorded with them. */
const nodes: readonly NomadNode[] = ['a', 'b', 'c'].map(name => bodyOf(`node-client-${name}`))
const allocations: readonly NomadAllocation[] = [
  'web',
  'api-v1',
  'bridge',
  'checks',
  'exec',
  'identity',
  'ledger-wrong-namespace',
  'lifecycle',
  'ports',
  'report',
].map(name => bodyOf(`allocation-${name}`))
const known = new Set(allocations.map(one => one.ID))

t.test('registrations made from an allocation and its job are those that the real client made', async t => {
  const recorded = new Map<string, object>()
  for (const name of recordingNames().filter(one => one.startsWith('service-'))) {
    const { status, body } = recording(name)
    if (status !== 200) continue
    const items: readonly NomadRegistration[] = JSON.parse(body)
    for (const one of items) if (known.has(one.AllocID)) recorded.set(one.ID, withoutIndexes(one))
  }
  const made = new Map<string, object>(
    allocations.flatMap(one => registrationsOf(one, nodeOf(one))).map(one => [one.ID, withoutIndexes(one)]),
  )
  made.delete('_nomad-task-71d29a78-4d30-c054-a98c-d4b4743111cc-group-g-exec-svc-http')
  made.delete('_nomad-task-2f28e1b2-a03c-2cda-b75b-db2f43dcf053-group-ledger-ledger-grpc')
  t.same([...made.keys()].sort(), [...recorded.keys()].sort())
  for (const [id, one] of recorded) t.same(made.get(id), one, id)
})

t.test('each endpoint answers as recorded: status, headers, body', async t => {
  const fake = await startLoaded(t)
  const exact = [
    'nodes',
    'node-client-a',
    'node-client-b',
    'node-client-c',
    'node-unknown',
    'allocation-unknown',
    'allocation-unknown-checks',
    'allocation-bad-id',
    'allocation-ledger-services-wrong-namespace',
    'job-unknown',
    'service-unknown',
    'service-web-namespace-star',
    'service-web-filter-bad',
    'services-namespace-unknown',
    'status-leader',
    'agent-health-server',
    'identity/jwks',
    'errors/error-400-bad-index',
    'errors/error-400-negative-index',
    'errors/error-400-bad-wait',
    'errors/error-400-bad-stale',
    'errors/error-400-missing-service-name',
    'errors/error-404-path',
    'errors/error-event-stream-bad-topic',
    'errors/error-event-stream-bad-index',
    ...['web', 'api-v1', 'bridge', 'checks', 'exec', 'ledger-wrong-namespace', 'ports'].map(one => `allocation-${one}`),
    ...['web', 'bridge', 'checks', 'exec', 'lifecycle', 'ports', 'ledger'].map(one => `allocation-${one}-services`),
    ...['web', 'checks', 'ports'].map(one => `allocation-${one}-checks`),
  ]
  for (const name of exact) {
    const recorded = recording(name)
    const answer = await httpOnce('GET', `${fake.address}${recorded.path}`)
    t.equal(answer.status, recorded.status, name)
    t.same(headerNames(Object.keys(answer.headers)), headerNames(recorded.headers.map(([one]) => one)), name)
    t.equal(answer.headers['content-type'], headerOf(recorded, 'Content-Type'), name)
    if (recorded.status !== 200) t.equal(answer.body, recorded.body, name)
    else
      t.same(
        withoutRegistrationIndexes(JSON.parse(answer.body)),
        withoutRegistrationIndexes(JSON.parse(recorded.body)),
        name,
      )
  }
  const wrongMethod = recording('errors/error-405-method')
  const answer = await httpOnce(wrongMethod.method, `${fake.address}${wrongMethod.path}`, {})
  t.same([answer.status, answer.body], [wrongMethod.status, wrongMethod.body])
})

t.test('lists have for each known item what was recorded', async t => {
  const fake = await startLoaded(t)
  for (const name of ['allocations', 'allocations-all', 'allocations-running']) {
    const recorded = recording(name)
    const answer = await httpOnce('GET', `${fake.address}${recorded.path}`)
    const expected: readonly NomadAllocation[] = JSON.parse(recorded.body)
    const inState = expected.filter(one => known.has(one.ID))
    t.ok(inState.length > 5, name)
    t.same(JSON.parse(answer.body), inState, name)
    t.same(headerNames(Object.keys(answer.headers)), headerNames(recorded.headers.map(([one]) => one)), name)
  }
  for (const name of [
    'service-web',
    'service-api',
    'service-p-multi',
    'service-br-alloc',
    'service-web-namespace-payments',
  ]) {
    const recorded = recording(name)
    const answer = await httpOnce('GET', `${fake.address}${recorded.path}`)
    const expected: readonly NomadRegistration[] = JSON.parse(recorded.body)
    t.same(
      JSON.parse(answer.body).map(withoutIndexes),
      expected.filter(one => known.has(one.AllocID)).map(withoutIndexes),
      name,
    )
  }
  for (const name of ['service-web-filter', 'service-web-filter-tags']) {
    const answer = await httpOnce('GET', `${fake.address}${recording(name).path}`)
    const expected: readonly NomadRegistration[] = bodyOf(name)
    t.same(
      JSON.parse(answer.body).map(withoutIndexes),
      expected.filter(one => known.has(one.AllocID)).map(withoutIndexes),
      name,
    )
  }
})

t.test('names of services come by namespace with the union of their tags', async t => {
  const fake = await startLoaded(t)
  for (const name of ['services', 'services-all-namespaces', 'services-namespace-payments', 'services-filter']) {
    const recorded = recording(name)
    const answer = await httpOnce('GET', `${fake.address}${recorded.path}`)
    const registered = new Set([...fake.state.services.values()].map(one => `${one.Namespace}/${one.ServiceName}`))
    const withOthers = new Set(['web-admin', 'api', 'node-agent', 'flap'])
    const pick = (body: string) =>
      namesAndTags(body).filter(
        ([key]) => registered.has(String(key)) && !withOthers.has(String(key).split('/')[1] ?? ''),
      )
    t.ok(pick(recorded.body).length > 0)
    t.same(pick(answer.body), pick(recorded.body), name)
    t.same(shapeOf(JSON.parse(answer.body)), shapeOf(JSON.parse(recorded.body)), name)
  }
})

t.test('pages have the tokens that were recorded', async t => {
  const fake = await startLoaded(t)
  const recorded = recording('service-web-page2')
  const first = await httpOnce('GET', `${fake.address}/v1/allocations?namespace=*&per_page=3&task_states=false`)
  const [, , , fourth] = [...allocations].sort((a, b) => a.CreateIndex - b.CreateIndex)
  t.equal(first.headers['x-nomad-nexttoken'], `${fourth?.CreateIndex}.${fourth?.ID}`)
  t.match(headerOf(recording('allocations-page1'), 'X-Nomad-Nexttoken'), /^\d+\.[0-9a-f-]{36}$/)
  const web = await httpOnce('GET', `${fake.address}/v1/service/web?per_page=1&next_token=default.zzz`)
  t.equal(web.headers['x-nomad-nexttoken'], undefined)
  t.match(recorded.path, /next_token=default\._nomad-task-/)
  const names = (headers: readonly string[]) => headerNames(headers)
  t.same(names(Object.keys(first.headers)), names(recording('allocations-page1').headers.map(([one]) => one)))
})

async function startLoaded(t: Test): Promise<FakeNomad> {
  const fake = await FakeNomad.start()
  t.teardown(() => fake.stop())
  const { state } = fake
  for (const node of nodes) state.nodes.set(node.ID, node)
  for (const one of allocations) {
    state.allocations.set(one.ID, one)
    for (const registration of registrationsOf(one, nodeOf(one))) state.services.set(registration.ID, registration)
  }
  for (const name of ['web', 'checks']) {
    const id = allocations.find(one => one.JobID === name)?.ID ?? ''
    state.checks.set(id, new Map(Object.entries(bodyOf(`allocation-${name}-checks`))))
  }
  return fake
}

function nodeOf(allocation: NomadAllocation): NomadNode {
  const node = nodes.find(one => one.ID === allocation.NodeID)
  if (node === undefined) throw new Error(`no node of ${allocation.Name}`)
  return node
}

function bodyOf(name: string) {
  return JSON.parse(recordedText(`${name}.json`))
}

/** Names a client could look at; those of the connection and of how long the body is depend on the library. */
function headerNames(names: readonly string[]): readonly string[] {
  const framing = new Set(['connection', 'content-length', 'transfer-encoding', 'date'])
  return names
    .map(one => one.toLowerCase())
    .filter(one => !framing.has(one))
    .sort()
}

function headerOf({ headers }: Recording, name: string): string | undefined {
  return headers.find(([one]) => one === name)?.[1]
}

function withoutIndexes(registration: NomadRegistration) {
  const { CreateIndex: _created, ModifyIndex: _modified, ...others } = registration
  return others
}

/** Indexes of loaded registrations were not in any recorded allocation. */
function withoutRegistrationIndexes(body: unknown): unknown {
  const isList =
    Array.isArray(body) && body.every(one => typeof one === 'object' && one !== null && 'ServiceName' in one)
  return isList ? body.map(withoutIndexes) : body
}

function namesAndTags(body: string): readonly (readonly [string, readonly string[]])[] {
  const namespaces: readonly {
    Namespace: string
    Services: readonly { ServiceName: string; Tags: readonly string[] }[]
  }[] = JSON.parse(body)
  return namespaces
    .flatMap(({ Namespace, Services }) =>
      Services.map(({ ServiceName, Tags }) => [`${Namespace}/${ServiceName}`, [...Tags].sort()] as const),
    )
    .sort(([a], [b]) => (a < b ? -1 : 1))
}
