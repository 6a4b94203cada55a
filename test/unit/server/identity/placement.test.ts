import t from 'tap'
import type { Workload } from '../../../../mesh/model/workload.ts'
import { mayHold } from '../../../../server/identity/placement.ts'
import type { NodeRecord } from '../../../../server/store/store.ts'

const node = (more: Partial<NodeRecord> = {}): NodeRecord => ({
  name: 'vm-1',
  identities: [],
  joinedAt: 0,
  keyHash: 'k',
  banned: false,
  ...more,
})

const workload = (more: Partial<Workload> = {}): Workload => ({
  id: 'files/web-1',
  registry: 'files',
  namespace: 'default',
  name: 'web-1',
  address: '10.0.0.1',
  node: 'vm-1',
  serviceAccount: 'web',
  labels: {},
  locality: { region: '', zone: '', subzone: '' },
  weight: 1,
  health: 'healthy',
  callers: [],
  ...more,
})

const web = { namespace: 'default', serviceAccount: 'web' }
const ask = {
  node: node(),
  identity: web,
  workloads: [workload()],
  operatorDeclared: (registry: string) => registry === 'files',
}

t.test('lets a node hold what an operator placed on it', t => {
  t.equal(mayHold(ask), 'operator-declared')
  t.end()
})

t.test('lets a node hold what its join token names, placed or not', t => {
  const named = node({ identities: ['default/web', 'prod/api'] })
  t.equal(mayHold({ ...ask, node: named, workloads: [] }), 'join-token')
  t.equal(mayHold({ ...ask, node: named, identity: { namespace: 'prod', serviceAccount: 'api' } }), 'join-token')
  t.end()
})

t.test('takes the identities of a join token as the most a node may have', t => {
  t.equal(mayHold({ ...ask, node: node({ identities: ['default/other'] }) }), undefined)
  t.end()
})

t.test('does not let a registration by the node itself be evidence', t => {
  t.equal(mayHold({ ...ask, workloads: [workload({ registry: 'consul' })] }), undefined)
  t.end()
})

t.test('needs the very workload on the very node', t => {
  const { node: _node, ...nodeless } = workload()
  const { serviceAccount: _account, ...outside } = workload()
  const others = {
    'none at all': [],
    'another node': [workload({ node: 'vm-2' })],
    'a node whose name only begins the same': [workload({ node: 'vm-11' })],
    'a node in other letters': [workload({ node: 'VM-1' })],
    'no node': [nodeless],
    'another namespace': [workload({ namespace: 'prod' })],
    'another service account': [workload({ serviceAccount: 'web-admin' })],
    'no service account': [outside],
    'the name instead of the service account': [workload({ name: 'web', serviceAccount: 'other' })],
  }
  for (const [what, workloads] of Object.entries(others)) t.equal(mayHold({ ...ask, workloads }), undefined, what)
  t.end()
})

t.test('lets a banned node hold nothing', t => {
  t.equal(mayHold({ ...ask, node: node({ banned: true }) }), undefined)
  t.equal(mayHold({ ...ask, node: node({ banned: true, identities: ['default/web'] }) }), undefined)
  t.end()
})

t.test('gives each of three hosts exactly what is placed there', t => {
  const accounts = ['web', 'api', 'db']
  const hosts = ['vm-1', 'vm-2', 'vm-3']
  const workloads = accounts.map((serviceAccount, at) => workload({ serviceAccount, node: hosts[at] ?? '' }))
  for (const [h, name] of hosts.entries()) {
    for (const [a, serviceAccount] of accounts.entries()) {
      const held = mayHold({
        ...ask,
        node: node({ name }),
        identity: { namespace: 'default', serviceAccount },
        workloads,
      })
      t.equal(held !== undefined, h === a, `${name} ${serviceAccount}`)
    }
  }
  t.end()
})
