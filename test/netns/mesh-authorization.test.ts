import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../support/eventually.ts'
import { createMesh } from './mesh.ts'
import { failures, startLoad } from './mesh-load.ts'
import { agentMetric, curl, logged, serve } from './mesh-probe.ts'

// a loaded machine of two cores takes more than the usual two minutes
t.setTimeout(240_000)

// `out` is a stranger without an agent; `a` has two callers; `b` serves, over either family.
const mesh = await createMesh(t, {
  hosts: ['a', 'b', 'out'],
  withoutAgent: ['out'],
  files: ({ a, b }) => ({
    'services.yaml': `
services:
  - { name: api, ports: { http: 80, tcp-echo: 82 } }
  - { name: six, ports: { http: 80 } }
workloads:
  - { name: web-1, node: a, address: ${a.address4}, serviceAccount: web, uid: 4001 }
  - { name: job-1, node: a, address: ${a.address4}, serviceAccount: job, uid: 4002 }
  - { name: api-1, node: b, address: ${b.address4}, serviceAccount: api, labels: { app: api }, services: { api: { http: 8080, tcp-echo: 8082 } } }
  - { name: six-1, node: b, address: "${b.address6}", serviceAccount: api, labels: { app: six }, services: { six: { http: 8083 } } }
`,
  }),
})
const { a, b, out } = mesh.hosts
await serve(b, 'api', b.address4, ['http=8080', 'echo=8082'])
await serve(b, 'six', b.address6, ['http=8083'])
const [web, job] = [{ uid: 4001 }, { uid: 4002 }]
const refused = 'RBAC: access denied'

const policy = (name: string, spec: string, annotations = '{}') => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: default, annotations: ${annotations} }
spec: ${spec}
`
const onlyWeb = policy('only-web', '{ rules: [{ from: [{ source: { serviceAccounts: [default/web] } }] }] }')

async function apply(text: string): Promise<void> {
  await mesh.apply(text)
}

async function remove(text: string): Promise<void> {
  const file = join(mesh.directory, 'delete.yaml')
  writeFileSync(file, text)
  await mesh.weft('delete', '-f', file)
}

const get = (path = '') => curl(a, [`http://api.default.mesh/${path}`], job)

t.test('only the callers that a policy names get through, over either family, and strangers do not', async t => {
  await until('everybody is served', async () => (await get()) === 'api')
  await apply(onlyWeb)
  await until('another caller is refused', async () => (await get()) === refused)
  t.equal(await curl(a, ['http://api.default.mesh/'], web), 'api')
  t.equal(await curl(a, ['http://six.default.mesh/'], web), 'six')
  t.equal(await curl(a, ['http://six.default.mesh/'], job), refused)
  for (const [name, host, port] of [
    ['IPv4', b.address4, 8080],
    ['IPv4 mapped into IPv6', `[::ffff:${b.address4}]`, 8080],
    ['IPv6', `[${b.address6}]`, 8083],
  ] as const) {
    const claims = [
      '-H',
      'x-forwarded-client-cert: URI=spiffe://mesh.local/ns/default/sa/web',
      '-H',
      'weft-source: web',
    ]
    t.equal(await curl(out, [...claims, `http://${host}:${port}/`]), refused, name)
  }
  const line = await logged(mesh, 'b', { weft_reason: 'AUTHORIZATION_DENIED', weft_source: null })
  t.match(line, { response_code: 403, response_code_details: 'rbac_access_denied_matched_policy[none]' })
  t.ok((await agentMetric(b, 'istio_requests_total', 'response_code="403"')) >= 4)
  const { stdout } = await mesh.tryWeft('explain', '--from', 'job', '--to', 'api', '--path', '/', '-o', 'json')
  t.match(JSON.parse(stdout), { verdict: 'refused', reason: 'AUTHORIZATION_DENIED' })
})

t.test('what is open is cut when a policy comes that forbids it, and served again when that is gone', async t => {
  const theirs = await startLoad(a, { kept: 'kept@api.default.mesh/82' }, web)
  await until('it is served', async () => (await theirs.report()).kept.succeeded > 0)
  t.equal(failures((await theirs.report()).kept), 0)
  const closed = policy('closed', '{ action: DENY, rules: [{ to: [{ operation: { ports: ["8082"] } }] }] }')
  for (let round = 0; round < 2; round += 1) {
    await apply(closed)
    await until('it is cut and stays so', async () => {
      const { tried, succeeded, failed } = (await theirs.report()).kept
      return tried > 0 && succeeded === 0 && Object.keys(failed).every(code => code === 'ECONNRESET')
    })
    await remove(closed)
    await until('it is served again', async () => {
      const { succeeded, tried } = (await theirs.report()).kept
      return succeeded > 0 && succeeded === tried
    })
  }
  await theirs.stop()
  await logged(mesh, 'b', { reason: 'AUTHORIZATION_DENIED', detail: 'denied by default/closed rule 0' })
  t.ok((await agentMetric(b, 'weft_connections_refused_total', 'reason="AUTHORIZATION_DENIED"')) > 0)
})

t.test('a policy of a dry run changes nothing and is counted', async t => {
  const tried = policy('tried', '{ action: DENY, rules: [{}] }', '{ istio.io/dry-run: "true" }')
  await apply(tried)
  await until('it is counted', async () => {
    t.equal(await curl(a, ['http://api.default.mesh/'], web), 'api')
    return (await agentMetric(b, 'weft_policy_dry_run_total', 'policy="AuthorizationPolicy default/tried"')) > 0
  })
  const line = await logged(mesh, 'b', { weft_dry_run: 'would be denied by default/tried rule 0' })
  t.match(line, { response_code: 200, weft_rule: 'default/only-web rule 0' })
})
