import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../support/eventually.ts'
import { type PageStep, pageExamples, unmet } from '../support/page-examples.ts'
import { createMesh } from './mesh.ts'
import { serve } from './mesh-probe.ts'

// The page docs/policy.md, example by example: its resources are applied, its commands run, its expectations checked.

t.setTimeout(240_000)

const mesh = await createMesh(t, {
  hosts: ['a', 'b'],
  files: ({ a, b }) => ({
    'services.yaml': `
services:
  - { name: api, ports: { http: 80, tcp-echo: 82 } }
workloads:
  - { name: web-1, node: a, address: ${a.address4}, serviceAccount: web, uid: 4001 }
  - { name: job-1, node: a, address: ${a.address4}, serviceAccount: job, uid: 4002 }
  - { name: api-1, node: b, address: ${b.address4}, serviceAccount: api, services: { api: { http: 8080, tcp-echo: 8082 } } }
`,
  }),
})
const { a, b, cp } = mesh.hosts
const at = (name: string) => join(mesh.directory, name)
await serve(b, 'api', b.address4, ['http=8080', 'echo=8082'])
await until('the mesh is up', async () => (await run('curl http://api.default.mesh/')).code === 0)

/** What each example of the page proves. */
const proved: Readonly<Record<string, string>> = {
  'Allow some callers': 'only the callers and methods that a rule names get through',
  'Deny some requests': 'a path is denied however it is written',
  Connections: 'connections are refused before their first byte',
  'Try it first': 'a dry run has no effect, and explain says what it would do',
  Tokens: 'tokens are asked for and judged',
}

const examples = pageExamples(new URL('../../docs/policy.md', import.meta.url).pathname)

t.test('every example of the page has a name here', async t => {
  t.same(
    examples.map(({ title }) => title),
    Object.keys(proved),
  )
})

for (const example of examples) {
  t.test(proved[example.title] ?? example.title, async t => {
    for (const step of example.steps) {
      if (step.kind === 'command') t.same(await problemsOf(step), [], step.line)
      else {
        writeFileSync(at('example.yaml'), step.text)
        await mesh.apply(step.text)
      }
    }
    await mesh.weft('delete', '-f', at('example.yaml'))
    await until('all is as before', async () =>
      /^HTTP\/\S+ 200/.test((await run('curl http://api.default.mesh/')).output),
    )
  })
}

/** Runs a command until it gives what is expected: policies take a moment to reach the agents. */
async function problemsOf({ line, expected }: PageStep & { kind: 'command' }): Promise<readonly string[]> {
  let problems: readonly string[] = []
  const isMet = async () => {
    const outcome = await run(line)
    problems = expected.flatMap(one => unmet(one, outcome) ?? [])
    return problems.length === 0
  }
  await until('it is as the page says', isMet, 15_000).catch(() => {})
  return problems
}

/** As the caller `web` on `a`, curl with response heads as with -i; `weft` on the server's host. */
async function run(line: string) {
  const isWeft = line.startsWith('weft ')
  const curl = `curl() { command curl -sS -i --max-time 5 "$@" </dev/null; }\n${line}`
  const main = join(import.meta.dirname, '../../cli/main.ts')
  const token = readFileSync(at('server/admin-token'), 'utf8').trim()
  const weft = `weft() { ${process.execPath} --disable-warning=ExperimentalWarning ${main} "$@"; }\n${line}`
  const since = performance.now()
  const { code, stdout, stderr } = isWeft
    ? await cp.exec('bash', ['-c', weft], { env: { WEFT_TOKEN: token } })
    : await a.exec('bash', ['-c', curl], { uid: 4001 })
  return { code, output: stdout + stderr, tookMs: performance.now() - since }
}
