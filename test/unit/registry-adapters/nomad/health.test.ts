import t from 'tap'
import { parseAllocation } from '../../../../registry-adapters/nomad/answers.ts'
import { type CheckResult, parseCheckResults } from '../../../../registry-adapters/nomad/check-results.ts'
import { type HealthSources, healthOf } from '../../../../registry-adapters/nomad/health.ts'
import { parseJobGroup } from '../../../../registry-adapters/nomad/job-group.ts'
import { recorded, recordedWorld } from '../../../support/nomad-recording.ts'

// What an adapter must know of health, nodes, drains and failures, against answers recorded from a real Nomad.

const checksId = 'd832e7d6-05d7-d6bf-848b-6b69a042c0f6'

t.test('a failing instance stays listed: its checks say that it is unhealthy, and why', async t => {
  const { snapshot } = await worldOf('checks', { DeploymentStatus: { Healthy: true } })
  const found = Object.fromEntries([...snapshot.workloads.values()].map(one => [one.name, one]))
  t.equal(found['check-pass']?.health, 'healthy')
  t.equal(found['check-none']?.health, 'healthy')
  t.equal(found['check-fail']?.health, 'unhealthy')
  t.equal(
    found['check-fail']?.healthReason,
    'check "http-404" failed: <!DOCTYPE HTML>',
    'the first line of a whole page',
  )
  t.equal(found['check-mixed']?.healthReason, 'check "mixed-bad" failed: <!DOCTYPE HTML>')
})

t.test('readiness checks count like the others', t => {
  const checks = parseCheckResults(recorded('allocation-checks-checks')).filter(one => one.check === 'readiness-404')
  t.match(healthOf({ ...sources('allocation-checks', 'check-fail', { DeploymentStatus: null }), checks }), {
    health: 'unhealthy',
    healthReason: /^check "readiness-404" failed/,
  })
  t.end()
})

t.test('an allocation that its deployment found unhealthy is unhealthy, whatever passes', async t => {
  t.equal(recorded('allocation-checks').DeploymentStatus.Healthy, false)
  const { workload } = await recordedWorld()
  for (const service of ['check-pass', 'check-fail', 'check-none']) {
    t.equal(workload(service).health, 'unhealthy')
    t.equal(workload(service).healthReason, 'its deployment found the allocation unhealthy')
  }
})

t.test('DeploymentStatus.Healthy stays true when checks fail after the deployment: the checks count', t => {
  const allocation = recorded('health/flap-2-allocation-unhealthy')
  t.equal(allocation.DeploymentStatus.Healthy, true)
  const checks = (name: string) => parseCheckResults(recorded(`health/flap-${name}`))
  const flap = sources('health/flap-2-allocation-unhealthy', 'flap')
  t.same(healthOf({ ...flap, checks: checks('1-checks-healthy') }), { health: 'healthy' })
  t.match(healthOf({ ...flap, checks: checks('2-checks-unhealthy') }), {
    health: 'unhealthy',
    healthReason: /^check "flap-http" failed: /,
  })
  t.end()
})

t.test('an allocation without checks answers null, and is as healthy as the allocation', t => {
  t.same(parseCheckResults(recorded('allocation-ports-checks')), [])
  t.same(healthOf({ ...sources('allocation-ports', 'p-static'), checks: [] }), { health: 'healthy' })
  t.end()
})

t.test('a check that is pending keeps an allocation out until its deployment has decided', t => {
  const pending: CheckResult[] = [{ service: 'web', check: 'web-http', status: 'pending', output: '' }]
  const web = sources('allocation-web', 'web')
  t.equal(web.allocation.deploymentHealthy, true)
  t.same(healthOf({ ...web, checks: pending }), { health: 'healthy' }, 'an in-place update of a healthy one')
  const undecided = sources('allocation-web', 'web', { DeploymentStatus: { Healthy: null } })
  t.same(healthOf({ ...undecided, checks: pending }), {
    health: 'unhealthy',
    healthReason: 'check "web-http" is pending',
  })
  t.same(healthOf({ ...undecided, checks: undefined }), {
    health: 'unhealthy',
    healthReason: 'its checks have not been read yet',
  })
  t.same(healthOf({ ...undecided, checks: [] }), { health: 'unhealthy', healthReason: 'its checks have not run yet' })
  t.same(healthOf({ ...undecided, checks: [{ service: 'web', check: 'web-http', status: 'success', output: '' }] }), {
    health: 'healthy',
  })
  t.end()
})

t.test('without a deployment that could decide, a pending check keeps nobody out', t => {
  const system = sources('allocation-web', 'web', { DeploymentStatus: null }, { Type: 'system' })
  const pending: CheckResult[] = [{ service: 'web', check: 'web-http', status: 'pending', output: '' }]
  t.same(healthOf({ ...system, checks: pending }), { health: 'healthy' })
  t.same(healthOf({ ...system, checks: undefined }), { health: 'healthy' })
  t.end()
})

t.test('results name the service only: a check counts for the registrations whose block has it', t => {
  const web = sources('allocation-web', 'web')
  const [block] = web.group.services.values()
  if (block === undefined) throw new Error('no block')
  const services = new Map([
    ['group-web-web-http', { ...block, checks: ['a'] }],
    ['group-web-web-admin', { ...block, portLabel: 'admin', checks: ['b'] }],
  ])
  const group = { ...web.group, services }
  const failed = (check: string): CheckResult[] => [{ service: 'web', check, status: 'failure', output: 'x' }]
  const health = (label: string, checks: CheckResult[]) =>
    healthOf({ ...web, group, block: services.get(`group-web-web-${label}`), checks }).health
  t.equal(health('http', failed('a')), 'unhealthy')
  t.equal(health('admin', failed('a')), 'healthy')
  t.equal(health('admin', failed('unknown to both')), 'unhealthy', 'in doubt for all')
  t.equal(healthOf({ ...web, group, block: undefined, checks: failed('a') }).health, 'unhealthy')
  t.end()
})

t.test('an unknown status of a check counts as a failure', t => {
  const [result] = parseCheckResults({ x: { Service: 'web', Check: 'c', Status: 'weird', Output: '' } })
  t.equal(result?.status, 'failure')
  t.end()
})

t.test('a draining node alone drains nothing: each allocation drains from its turn on', async t => {
  const node = recorded('drain/node-client-c-draining-early')
  t.equal(node.Drain, true)
  const { workload } = await recordedWorld({ [`/v1/node/${node.ID}`]: node })
  t.equal(workload('api', 'aa5e5de9').health, 'healthy')
  const [stub] = recorded('drain/job-api-v2-allocations-draining')
  t.equal(stub.DesiredTransition.Migrate, true)
  const draining = { ...parseAllocation(stub), desiredStatus: 'run' }
  t.match(healthOf({ ...sources('canary/allocation-promoted', 'api'), allocation: draining }), {
    health: 'draining',
    healthReason: /drained/,
  })
})

t.test('an ineligible node keeps its services', async t => {
  const node = recorded('drain/node-client-b-ineligible')
  t.equal(node.SchedulingEligibility, 'ineligible')
  const { workload } = await recordedWorld({ [`/v1/node/${node.ID}`]: node })
  t.equal(workload('web', '6396b0a6').health, 'healthy')
})

t.test('an allocation that is to stop is draining, also when it is lost and its client has registered it again', t => {
  const lost = sources('node-down/allocation-web-lost', 'web')
  t.equal(lost.allocation.clientStatus, 'lost')
  t.match(healthOf(lost), { health: 'draining', healthReason: /to stop/ })
  const back = sources('node-down/allocation-web-lost', 'web', { ClientStatus: 'running' })
  t.equal(healthOf(back).health, 'draining')
  const wanted = sources('node-down/allocation-web-lost', 'web', { DesiredStatus: 'run' })
  t.match(healthOf(wanted), { health: 'unhealthy', healthReason: /"lost", not running/ })
  t.end()
})

t.test('on a disconnected node the registration stays listed and is kept, with the reason', async t => {
  const id = 'a7aecc2f-4aac-893d-cc7e-59bf1a238467'
  const { workload } = await recordedWorld({
    [`/v1/allocation/${id}`]: 'node-down/allocation-disconnect-unknown',
    '/v1/nodes': 'node-down/nodes-down',
    '/v1/allocations?namespace=*': [],
  })
  t.equal(workload('disconnect').health, 'healthy')
  t.equal(workload('disconnect').healthReason, 'node "client-b" is disconnected, this is its last known state')
  const { workload: after } = await recordedWorld({
    [`/v1/allocation/${id}`]: 'node-down/allocation-disconnect-reconnected',
  })
  t.equal(after('disconnect').id, workload('disconnect').id, 'the same one when it is connected again')
  t.equal(after('disconnect').healthReason, undefined)
})

t.test('a reason is one line of at most 200 characters', t => {
  const web = sources('allocation-web', 'web')
  const output = `${'a\u0007'.repeat(300)}\nsecond line`
  const { healthReason = '' } = healthOf({
    ...web,
    checks: [{ service: 'web', check: 'c', status: 'failure', output }],
  })
  t.ok(healthReason.length <= 200)
  t.notMatch(healthReason, /\p{Cc}|second/u)
  t.end()
})

t.test('locality is region, datacentre, and node pool or else class', async t => {
  const { workload } = await recordedWorld()
  t.same(workload('api', 'aa5e5de9').locality, { region: 'global', zone: 'dc1', subzone: 'edge-pool' })
  t.same(workload('ledger', '', 'payments').locality, { region: 'global', zone: 'dc1', subzone: 'edge' })
  const node = { ...recorded('node-client-a'), Meta: { weft_locality: 'eu/a/1', weft_node: 'vm-a' } }
  const moved = await recordedWorld({ [`/v1/node/${node.ID}`]: node })
  t.same(moved.workload('ledger', '', 'payments').locality, { region: 'eu', zone: 'a', subzone: '1' })
  t.equal(moved.workload('ledger', '', 'payments').node, 'vm-a')
})

t.test('two nodes of one name are both left out by name, unless one is down or says another name', async t => {
  const stubs = recorded('nodes')
  const [b] = stubs
  const second = { ...b, ID: '00000000-0000-0000-0000-00000000000b', ModifyIndex: 1000 }
  const problemsWith = async (replaced: object) => (await recordedWorld({ ...replaced })).problems('web-admin')
  const [problem] = await problemsWith({ '/v1/nodes': [...stubs, second] })
  t.match(problem, new RegExp(`${second.ID} and ${b.ID} are both called "client-b"`))
  t.same(await problemsWith({ '/v1/nodes': [...stubs, { ...second, Status: 'down' }] }), [])
  const renamed = { ...recorded('node-client-b'), Meta: { 'weft-node': 'vm-b' } }
  t.same(await problemsWith({ '/v1/nodes': [...stubs, second], [`/v1/node/${renamed.ID}`]: renamed }), [])
})

t.test('an allocation or node that Nomad does not have leaves the registration out by name', async t => {
  const orphan = [{ ...recorded('service-web')[0], AllocID: '00000000-0000-0000-0000-000000000000' }]
  const { problems } = await recordedWorld({ '/v1/service/web': orphan })
  t.match(problems('web'), ['nomad does not have its allocation "00000000'])
  const lost = [{ ...recorded('service-web')[0], NodeID: '00000000-0000-0000-0000-000000000000' }]
  const { problems: noNode } = await recordedWorld({ '/v1/service/web': lost })
  t.match(noNode('web'), ['nomad does not have its node "00000000'])
})

/** What tells the health of a recorded allocation's service. */
function sources(recording: string, service: string, fields: object = {}, jobFields: object = {}): HealthSources {
  const whole = { ...recorded(recording), ...fields }
  const group = parseJobGroup({ ...whole.Job, ...jobFields }, whole.TaskGroup)
  if (group === undefined) throw new Error('no such group')
  const block = [...group.services.values()].find(({ name }) => name === service)
  return { service, allocation: parseAllocation(whole), group, block, checks: undefined }
}

/** The recorded cluster with another state of the allocation of a job. */
function worldOf(job: string, fields: object) {
  return recordedWorld({ [`/v1/allocation/${checksId}`]: { ...recorded(`allocation-${job}`), ...fields } })
}
