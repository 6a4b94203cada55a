import t from 'tap'
import { parseAllocation, parseNode, parseRegistrations } from '../../../../registry-adapters/nomad/answers.ts'
import { parseJobGroup } from '../../../../registry-adapters/nomad/job-group.ts'
import {
  type InstanceFacts,
  type TranslateContext,
  translateInstance,
} from '../../../../registry-adapters/nomad/translate-instance.ts'
import { recorded } from '../../../support/nomad-recording.ts'

const context: TranslateContext = { registry: 'nomad', serviceAccounts: 'none', meshNamespaceOf: name => name }

t.test('settings come from tags and from the meta of the job, and tags go first', t => {
  const { instance, reasons } = translate(
    { Tags: ['weft.protocol=http', 'weft.namespace=shop', 'weft.weight=3', 'weft.service-account=web-v1'] },
    { weft_port: '80', 'weft-protocol': 'http', weft_locality: 'eu/a', 'weft.user': 'web', weft_weight: '7' },
  )
  t.equal(instance?.protocol, 'http')
  t.equal(instance?.servicePort, 80)
  t.match(instance?.workload, {
    namespace: 'shop',
    serviceAccount: 'web-v1',
    weight: 3,
    locality: { region: 'eu', zone: 'a', subzone: '' },
    callers: [{ kind: 'user', user: 'web' }],
  })
  t.same(reasons, ['weft-weight is said more than once, "3" is used'])
  t.end()
})

t.test('a job cannot say on which node it runs', t => {
  const { instance, reasons } = translate({ Tags: ['weft.node=other'] }, { weft_node: 'other' })
  t.equal(instance?.workload.node, 'client-b')
  t.same(reasons, ['weft-node counts only in the meta of a node', 'weft-node counts only in the meta of a node'])
  t.end()
})

t.test('meta is labels, settings are none, and a tag version= is the label', t => {
  const { instance } = translate({ Tags: ['version=3', 'weft.label.tier=gold', 'v3'] }, { weft_port: '80', team: 'a' })
  const labels = instance?.workload.labels
  t.match(labels, { version: '3', tier: 'gold', team: 'a', 'nomad.tag/v3': 'true' })
  t.notOk(Object.keys(labels ?? {}).some(name => name.includes('weft')))
  t.end()
})

t.test('what cannot be used leaves the registration out, with a reason', t => {
  const cases: [object, RegExp][] = [
    [{ ServiceName: 'My_Api' }, /"My_Api" is not a DNS label/],
    [{ Tags: ['weft.namespace=A b'] }, /the namespace "A b"/],
    [{ Tags: ['weft.service-account=a/b'] }, /the service account "a\/b"/],
    [{ Port: 70_000 }, /the port 70000/],
    [{ Address: 'fe80::1%eth0' }, /is not an IP address/],
    [{ Address: '::ffff:10.0.0.1' }, /is not an IP address/],
  ]
  for (const [fields, reason] of cases) {
    const { instance, reasons } = translate(fields)
    t.equal(instance, undefined)
    t.match(reasons, [reason])
  }
  t.end()
})

t.test('any other wrong setting is left out alone', t => {
  const { instance, reasons } = translate({
    Tags: ['weft.protocol=spdy', 'weft.port=x', 'weft.weight=-1', 'weft.uid=-1', 'weft.colr=1'],
  })
  t.match(instance, { protocol: undefined, servicePort: undefined, workload: { weight: 1, callers: [] } })
  t.equal(reasons.length, 5)
  t.end()
})

t.test('a name that only the client filled in still is a workload, without what its block says', t => {
  const { instance } = translate({
    ServiceName: 'web-x',
    ID: '_nomad-task-6396b0a6-a814-ed38-2c17-58a554038f8d-group-web-web-x-http',
  })
  t.equal(instance?.workload.id, 'nomad/6396b0a6-a814-ed38-2c17-58a554038f8d/group-web-web-x-http')
  t.equal(instance?.workload.labels.version, undefined)
  t.end()
})

t.test('the identity of a job that was dispatched is that of the job that dispatches', t => {
  const parent = translate(
    {},
    {},
    { ParentID: 'report', ID: 'report/periodic-1' },
    { ...context, serviceAccounts: 'job' },
  )
  t.equal(parent.instance?.workload.serviceAccount, 'report')
  t.end()
})

t.test('an IPv6 address has one spelling', t => {
  t.equal(translate({ Address: 'FD00:0::0001' }).instance?.workload.address, 'fd00::1')
  t.end()
})

/** The recorded registration of web on client-b, with other fields, and other meta in its job. */
function translate(fields: object, meta: object = {}, jobFields: object = {}, given = context) {
  const whole = recorded('allocation-web')
  const [group, ...others] = whole.Job.TaskGroups
  const [block, ...blocks] = group.Services
  const job = {
    ...whole.Job,
    ...jobFields,
    TaskGroups: [{ ...group, Services: [{ ...block, Meta: meta }, ...blocks] }, ...others],
  }
  const parsed = parseJobGroup(job, whole.TaskGroup)
  const [recordedOne] = recorded('service-web')
  const [registration] = parseRegistrations([{ ...recordedOne, ...fields }])
  if (parsed === undefined || registration === undefined) throw new Error('not as recorded')
  const facts: InstanceFacts = {
    allocation: parseAllocation(whole),
    group: parsed,
    node: parseNode(recorded('node-client-b')),
    nodeName: { name: 'client-b' },
    checks: [],
  }
  return translateInstance(registration, facts, given)
}
