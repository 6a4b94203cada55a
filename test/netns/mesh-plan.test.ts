import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { FlowView } from '../../server/api/routes-flows.ts'
import type { Plan } from '../../server/flows/plan.ts'
import { eventually, until } from '../support/eventually.ts'
import { createMesh } from './mesh.ts'
import { curl, reset, serve } from './mesh-probe.ts'

// a loaded machine of two cores takes more than the usual two minutes
t.setTimeout(240_000)

const mesh = await createMesh(t, {
  hosts: ['a', 'b', 'out'],
  withoutAgent: ['out'],
  agent: { flows: { intervalMs: 1_000 } },
  files: ({ a, b }) => ({
    'services.yaml': `
services:
  - { name: api, ports: { http: 80 } }
workloads:
  - { name: web-1, node: a, address: ${a.address4}, serviceAccount: web, uid: 4001 }
  - { name: batch-1, node: a, address: ${a.address4}, serviceAccount: batch, uid: 4002 }
  - { name: api-1, node: b, address: ${b.address4}, serviceAccount: api, services: { api: { http: 8080 } } }
`,
  }),
})
const { a, b, out } = mesh.hosts
await serve(b, 'api', b.address4, ['http=8080'])

const web = 'spiffe://mesh.local/ns/default/sa/web'
const batch = 'spiffe://mesh.local/ns/default/sa/batch'
const call = (uid: number, path: string) => curl(a, [`http://api.default.mesh${path}`], { uid })

const strict = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: default }
spec: { mtls: { mode: STRICT } }
`
const deny = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-batch, namespace: default }
spec:
  action: DENY
  rules: [{ from: [{ source: { serviceAccounts: [default/batch] } }], to: [{ operation: { paths: ['/orders/*'] } }] }]
`

const becomes = (wanted: string, ask: () => Promise<string>) =>
  until(`the answer is ${wanted}`, async () => (await ask()) === wanted)

function file(name: string, text: string): string {
  const path = join(mesh.directory, name)
  writeFileSync(path, text)
  return path
}

const planned = async (path: string): Promise<Plan> => JSON.parse(await mesh.weft('plan', '-f', path, '-o', 'json'))

t.test('calls that were made are known to the server, without what tells one from the next', async t => {
  await becomes('api', () => call(4001, '/orders/17'))
  t.equal(await call(4002, '/orders/18?token=secret'), 'api')
  t.equal(await call(4002, '/health'), 'api')
  t.equal(await curl(out, [`http://${b.address4}:8080/`]), 'api')
  await eventually(async () => {
    const flows: FlowView[] = JSON.parse(await mesh.weft('flows', '-o', 'json'))
    const seen = flows.map(flow => `${flow.caller} ${flow.method} ${flow.path} ${flow.allowed}`)
    for (const one of [`${web} GET /orders/{*} true`, `${batch} GET /orders/{*} true`, ' GET / true']) {
      if (!seen.includes(one)) throw new Error(`${one} is not in ${seen.join('; ')}`)
    }
  })
  t.notMatch(await mesh.weft('flows'), /secret/)
})

t.test('a plan names the callers that a DENY and STRICT would cut off, and nobody else', async t => {
  const denied = await planned(file('deny.yaml', deny))
  t.match(denied.cutOff, [{ caller: batch, requests: ['GET /orders/{*}'], service: 'default/api' }])
  t.equal(denied.cutOff.length, 1)
  t.match(denied.cutOff[0]?.after.by, /AuthorizationPolicy default\/no-batch rule 0/)
  const closed = await planned(file('strict.yaml', strict))
  t.match(closed.cutOff, [{ caller: '', service: 'default/api', after: { by: /PeerAuthentication default\/default/ } }])
  t.equal(closed.cutOff.length, 1)
  t.match(await mesh.weft('plan', '-f', join(mesh.directory, 'deny.yaml')), /would be cut off:[\s\S]*sa\/batch/)
})

t.test('apply refuses what cuts callers, and --yes does it', async t => {
  const path = join(mesh.directory, 'deny.yaml')
  const refused = await mesh.tryWeft('apply', '-f', path)
  t.equal(refused.code, 6)
  t.match(refused.stderr, /sa\/batch to default\/api:8080/)
  t.equal(await call(4002, '/orders/19'), 'api', 'nothing was applied')
  await mesh.weft('apply', '-f', path, '--yes')
  await eventually(async () => {
    const answer = await call(4002, '/orders/20')
    if (answer === 'api') throw new Error('batch is served')
  })
  t.equal(await call(4001, '/orders/21'), 'api', 'whom the plan did not name is served')
  await mesh.weft('apply', '-f', join(mesh.directory, 'strict.yaml'), '--yes')
  await becomes(reset, () => curl(out, [`http://${b.address4}:8080/`]))
})

t.test('deleting what cut a caller off lets it in again, and says so', async t => {
  await eventually(async () => {
    const text = await mesh.weft('plan', '--delete', 'AuthorizationPolicy/default/no-batch', '-o', 'json')
    const plan: Plan = JSON.parse(text)
    if (!plan.letIn.some(({ caller }) => caller === batch)) throw new Error(text)
  })
  t.match(await mesh.weft('delete', '-f', join(mesh.directory, 'deny.yaml')), /no-batch deleted/)
  await becomes('api', () => call(4002, '/orders/22'))
})
