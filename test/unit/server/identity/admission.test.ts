import t from 'tap'
import { analyze } from '../../../../mesh/analyze/analyze.ts'
import { createAdmission } from '../../../../server/identity/admission.ts'
import { joinPolicy } from '../../../support/evidence.ts'

const admissionOf = (...policies: ReturnType<typeof joinPolicy>[]) =>
  createAdmission({
    resources: policies,
    rootNamespace: 'weft-system',
    operatorDeclared: registry => registry === 'files',
    scheduled: registry => registry === 'nomad',
  })
const claims = { namespace: 'infra', job: 'weft-agent', nodeId: 'n-1', pool: 'a*' }
const evidence = { kind: 'nomad', grade: 4, claims }
const admits = (spec: object, node = 'vm-1') => admissionOf(joinPolicy('p', spec)).admitting(evidence, node).length > 0

t.test('node names are whole, begin with a text, or come from the evidence', async t => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ['vm-1', 'vm-1', true],
    ['vm-1', 'vm-12', false],
    ['vm-1', 'VM-1', false],
    ['vm-*', 'vm-12', true],
    ['vm-*', 'xvm-1', false],
    ['*', 'anything', true],
    ['{nodeId}', 'n-1', true],
    ['{nodeId}', 'n-12', false],
    ['{nodeId}-*', 'n-1-a', true],
    ['{pool}', 'a*', true],
    ['{pool}', 'ab', false],
    ['{nodeClass}', '', false],
    ['{nodeClass}*', 'vm-1', false],
  ]
  for (const [pattern, node, expected] of table)
    t.equal(admits({ nodes: [pattern] }, node), expected, `${pattern} ${node}`)
})

t.test('every claim that is named must be there, and one of its values fit', async t => {
  const match = { namespace: ['infra'], job: ['weft-agent'] }
  t.equal(admits({ match: { ...match, job: ['other', 'weft-*'] } }), true)
  t.equal(admits({ match: { ...match, job: ['weft-agent-2'] } }), false)
  t.equal(admits({ match: { ...match, job: ['eft-agent'] } }), false)
  t.equal(admits({ match: { ...match, nodeClass: ['x*'] } }), false, 'a claim that the evidence lacks')
  t.equal(admits({ minGrade: 4 }), true)
  t.equal(admissionOf(joinPolicy('p')).admitting({ ...evidence, grade: 2 }, 'vm-1').length, 0)
  t.equal(admissionOf(joinPolicy('p')).admitting({ ...evidence, kind: 'gcp' }, 'vm-1').length, 0)
})

t.test('policies that would let in more than they seem to are refused', async t => {
  const table: readonly (readonly [object, RegExp])[] = [
    [{ match: {} }, /must choose namespace and job, or client, or clientPool/],
    [{ match: { namespace: ['infra'] } }, /must choose/],
    [{ match: { pool: ['default'], nodeId: ['n-1'] } }, /must choose/],
    [{ match: { namespace: ['*'], job: ['x'] } }, /stands for everything/],
    [{ match: { namespace: ['a*b'], job: ['x'] } }, /may have a \* at its end only/],
    [{ match: { namespace: [], job: ['x'] } }, /match\.namespace/],
    [{ match: { namespace: ['a'], job: ['x'], account: ['1'] } }, /is no claim of nomad/],
    [{ evidence: 'aws', match: { account: ['1'] } }, /must choose account and region/],
    [{ evidence: 'gcp', match: { project: ['p'] } }, /must choose project and zone/],
    [{ evidence: 'consul', match: { datacenter: ['dc1'] } }, /write minGrade: 2/],
    [{ minGrade: 1 }, /minGrade/],
    [{ minGrade: 5 }, /write minGrade: 4/],
    [{ nodes: [] }, /nodes/],
    [{ nodes: ['a*b'] }, /nodes/],
    [{ nodes: ['{account}'] }, /is no claim of nomad/],
    [{ identities: ['*'] }, /must be <namespace>/],
    [{ identities: ['*/api'] }, /must be <namespace>/],
    [{ identities: ['a/b*c'] }, /must be <namespace>/],
    [{ ttl: '1s' }, /at least 1m/],
    [{ ttl: '721h' }, /at most 720h/],
    [{ other: 1 }, /other/],
  ]
  for (const [spec, expected] of table) t.throws(() => joinPolicy('p', spec), expected, JSON.stringify(spec))
  t.ok(joinPolicy('p', { evidence: 'consul', minGrade: 2, match: { datacenter: ['dc1'] } }))
})

t.test('policies of other namespaces are refused where resources are judged together', async t => {
  const judged = (namespace: string) =>
    analyze({ resources: [joinPolicy('p', {}, namespace)], rootNamespace: 'weft-system', domain: 'mesh', now: 0 })
  t.same(judged('weft-system'), [])
  t.match(judged('shop'), [{ severity: 'error', code: 'misplaced', message: /must be weft-system/ }])
})
