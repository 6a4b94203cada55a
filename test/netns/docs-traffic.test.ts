import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import type { StatusView } from '../../server/api/routes-status.ts'
import { until } from '../support/eventually.ts'
import { type Outcome, type PageStep, pageExamples, unmet } from '../support/page-examples.ts'
import type { Host } from './host.ts'
import { createMesh } from './mesh.ts'

// The page docs/traffic.md, example by example: its resources are applied, its commands run, its expectations checked.

interface Document {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

const mesh = await createMesh(t, {
  hosts: ['a', 'b', 'out'],
  withoutAgent: ['out'],
  // the name server of `out`, whose address is the fourth
  agent: { capture: { dns: true, mode: 'all' }, dns: { upstreams: ['10.77.0.14'] } },
  files: hosts => ({ 'mesh.yaml': registry(hosts) }),
})
const { a, b, out, cp } = mesh.hosts
const web = { uid: 4001 }
const at = (name: string) => join(mesh.directory, name)

if (out.address4 !== '10.77.0.14') throw new Error(`the agents look for a name server elsewhere than ${out.address4}`)
await certificate()
for (const [name, ...kinds] of [
  ['v1', 'http=8001', 'tcp=9001', 'https=8441'],
  ['v2', 'http=8002', 'tcp=9002', 'https=8442'],
  ['good', 'http=8011'],
  ['bad', 'ill=8012'],
  ['near', 'http=8021'],
  ['far', 'http=8022'],
  ['audit', 'http=8031'],
] as const) {
  await serve(b, name, kinds)
}
await serve(out, 'partner', ['http=80', 'https=443', 'http=4318'])
await spawned(out, 'name-server.ts', [out.address4])

/** What each example of the page proves. */
const proved: Readonly<Record<string, string>> = {
  'Without any rule': 'each request of a connection is balanced for itself',
  'The protocol of a port': 'rules hold on ports of HTTP, bytes pass on ports of TCP',
  'By path, header, query and method':
    'the first rule that matches path, header, query and method is taken, and none is 404',
  'By who calls': 'rules may be for callers with certain labels',
  Delegation: 'the rules of a path may stand in a VirtualService of another team, and what they leave goes on',
  Weights: 'a canary gets its share of the requests',
  Rewrite: 'paths and hosts are rewritten, by prefix and by pattern',
  'Redirect and direct response': 'redirects and direct responses are answered by the agent',
  Headers: 'headers of requests and responses are set, added and removed',
  Mirror: 'a mirror gets a copy of a request, and its answer is dropped',
  Faults: 'faults delay and refuse the share of requests that they name',
  CORS: 'preflights are answered, and other requests get leave',
  Timeout: 'a request that takes longer than its rule allows is answered 504',
  Retries: 'retries hide an endpoint that answers 503',
  'Load balancing': 'a DestinationRule chooses the load balancing',
  'Consistent hashing': 'requests with one header or cookie go to one endpoint',
  'Slow start': 'a warm-up is taken',
  'Connection pool': 'requests beyond the limit of a destination are refused at once',
  'Outlier detection': 'an endpoint that fails again and again is left alone',
  Localities: 'near endpoints come first, or shares that are said',
  'A host found by DNS': 'a host outside of the mesh is found by DNS, and rules hold for it',
  'TLS origination': 'the agent speaks TLS for a caller that speaks HTTP',
  'Only what is known': 'with REGISTRY_ONLY a host that nobody declared is refused',
  'What callers see': 'what a Sidecar does not import is unknown to its callers',
  TCP: 'connections of TCP follow rules with weights and subsets',
  'TLS by name': 'TLS is routed by the server name, without being decrypted',
  MeshSettings: 'settings of the mesh say default retries, the form of paths and the access log',
  'Access log, metrics, explain': 'log, metrics and explain name the rule of a request',
  Traces: 'the trace of a caller goes on, and spans come to the collector',
  'What refusals look like': 'mistakes are refused by name and place, or warned of',
}
const examples = pageExamples(join(import.meta.dirname, '../../docs/traffic.md'))

t.test('the page has all of the examples', async t => {
  t.same(
    examples.map(({ title }) => title),
    Object.keys(proved),
  )
})

for (const example of examples) {
  t.test(proved[example.title] ?? example.title, async t => {
    const applied: Document[] = []
    for (const step of example.steps) {
      if (step.kind === 'command') {
        const problems = await problemsOf(step)
        t.same(problems, [], step.line)
        continue
      }
      const text = here(step.text)
      if (step.file !== undefined) {
        writeFileSync(at(step.file), text)
        continue
      }
      await changing(() => api('--data-binary', text, '/v1/resources?file=example.yaml'))
      applied.push(...parseAllDocuments(text).map(one => one.toJS()))
    }
    const paths = new Set(
      applied.map(({ kind, metadata }) => `${kind}/${metadata.namespace ?? 'default'}/${metadata.name}`),
    )
    if (paths.size === 0) return
    await changing(() => Promise.all([...paths].map(path => api('-X', 'DELETE', `/v1/resources/${path}`))))
  })
}

/** Runs a command until it gives what is expected: what is counted and logged comes a little late. */
async function problemsOf({ line, expected }: PageStep & { kind: 'command' }): Promise<readonly string[]> {
  const isLate = /^(weft|grep)|\/asked|\/metrics/.test(line)
  let problems: readonly string[] = []
  const isMet = async () => {
    const outcome = await run(here(line))
    problems = expected.flatMap(one => unmet(one, outcome) ?? [])
    if (expected.length === 0 && outcome.code !== 0) problems = [outcome.output]
    return problems.length === 0 || !isLate
  }
  await until('it is as the page says', isMet, 10_000).catch(() => {})
  return problems
}

/** As the caller `web` on `a`, curl with response heads as with -i; `weft` on the server's host. */
async function run(line: string): Promise<Outcome> {
  const isWeft = line.startsWith('weft ')
  const host = isWeft ? cp : a
  const since = performance.now()
  const result = await host.exec('bash', ['-c', isWeft ? weftScript(line) : curlScript(line)], {
    ...(!isWeft && !line.startsWith('grep') && web),
    timeoutMs: 60_000,
  })
  return { code: result.code, output: result.stdout + result.stderr, tookMs: performance.now() - since }
}

const curlScript = (line: string) => `curl() { command curl -sS -i --max-time 30 "$@"; }\n${line}`
const weftScript = (line: string) =>
  `cd ${mesh.directory}
weft() { ${process.execPath} --disable-warning=ExperimentalWarning ${join(import.meta.dirname, '../../cli/main.ts')} "$@"; }
export WEFT_TOKEN=$(cat ${at('server/admin-token')})
${line}`

/** What the page says of files and addresses, as it is in this mesh. */
function here(text: string): string {
  return text
    .replaceAll('/etc/weft/', `${mesh.directory}/`)
    .replaceAll('/var/log/weft/access.log', at('a.access.log'))
    .replaceAll('192.0.2.10', out.address4)
}

/** Waits until the caller's agent has what an operator changes. */
async function changing(change: () => Promise<unknown>): Promise<void> {
  const version = async () => {
    const status: StatusView = JSON.parse(await api('/v1/status'))
    const found = status.agents.find(({ node }) => node === 'a')
    return found === undefined || found.answeredVersion < found.configVersion ? 0 : found.configVersion
  }
  const before = await version()
  await change()
  await until('the agent has the change', async () => (await version()) > before)
}

/** The server's API, as `weft apply`, `weft delete` and `weft status` use it, without a new process of Node for each. */
async function api(...args: string[]): Promise<string> {
  const path = args.pop() ?? ''
  const token = readFileSync(at('server/admin-token'), 'utf8').trim()
  const common = ['-sS', '-k', '--fail-with-body', '-H', `authorization: Bearer ${token}`]
  const { code, stdout, stderr } = await cp.exec('curl', [...common, ...args, `https://127.0.0.1:15443${path}`])
  if (code !== 0) throw new Error(`${path}: ${stdout}${stderr}`)
  return stdout
}

async function serve(host: Host, name: string, kinds: readonly string[]): Promise<void> {
  await spawned(host, 'traffic-origin.ts', [name, host.address4, ...kinds])
}

async function spawned(host: Host, program: string, args: readonly string[]): Promise<void> {
  const path = join(import.meta.dirname, 'programs', program)
  const running = host.spawn(process.execPath, [path, ...args], { env: { CERTIFICATES: mesh.directory } })
  await running.line('listening')
}

/** A certificate of partner.example, by itself its authority. */
async function certificate(): Promise<void> {
  const names = ['-subj', '/CN=partner.example', '-addext', 'subjectAltName=DNS:partner.example']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', at('partner.key')]
  await cp.must('openssl', ['req', '-x509', '-days', '2', ...key, '-out', at('partner.pem'), ...names])
}

/** What the page says of the mesh of its examples. */
function registry({ a, b }: Readonly<Record<'a' | 'b', Host>>): string {
  const at = (name: string, service: string, labels: string, services: string) =>
    `  - { name: ${name}, node: b, address: ${b.address4}, serviceAccount: ${service}, labels: { ${labels} }, services: { ${services} } }`
  return `services:
  - { name: shop, ports: { http: 80 } }
  - { name: flaky, ports: { http: 80 } }
  - { name: catalog, ports: { http: 80 } }
  - { name: audit, ports: { http: 80 } }
  - { name: db, ports: { tcp: 9000 } }
  - { name: vault, ports: { tls: 443 } }
workloads:
  - { name: web-1, node: a, address: ${a.address4}, serviceAccount: web, uid: 4001, labels: { app: web }, locality: eu/west }
${at('shop-v1', 'shop', 'version: v1', 'shop: 8001')}
${at('shop-v2', 'shop', 'version: v2', 'shop: 8002')}
${at('flaky-good', 'flaky', 'app: flaky', 'flaky: 8011')}
${at('flaky-bad', 'flaky', 'app: flaky', 'flaky: 8012')}
${at('catalog-near', 'catalog', 'app: catalog', 'catalog: 8021').replace(' }', ' }, locality: eu/west')}
${at('catalog-far', 'catalog', 'app: catalog', 'catalog: 8022').replace(' }', ' }, locality: eu/east')}
${at('audit-1', 'audit', 'app: audit', 'audit: 8031')}
${at('db-v1', 'db', 'version: v1', 'db: 9001')}
${at('db-v2', 'db', 'version: v2', 'db: 9002')}
${at('vault-v1', 'vault', 'version: v1', 'vault: 8441')}
${at('vault-v2', 'vault', 'version: v2', 'vault: 8442')}
`
}
