import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { CaStatus } from '../../server/identity/rotator.ts'
import { until } from '../support/eventually.ts'
import { createMesh } from './mesh.ts'
import { startLoad } from './mesh-load.ts'
import { serve } from './mesh-probe.ts'

// three rotations with a dozen restarts take their time on a loaded machine
t.setTimeout(600_000)

const asWeb = { uid: 4001 }

/** `a` calls `b` without ever trying twice; `c` is a host like others, that dies; `d` joins late. */
const start = () =>
  createMesh(t, {
    hosts: ['a', 'b', 'c', 'd'],
    withoutAgent: ['d'],
    agent: { drainDeadlineMs: 1000 },
    files: ({ a, b, c }) => ({
      'services.yaml': `
services: [{ name: api, ports: { tcp: 9000 } }, { name: shop, ports: { http: 80 } }]
workloads:
  - { name: web-1, node: a, address: ${a.address4}, serviceAccount: web, uid: ${asWeb.uid} }
  - { name: api-1, node: b, address: ${b.address4}, serviceAccount: api, services: { api: { tcp: 9100 } } }
  - { name: shop-1, node: b, address: ${b.address4}, serviceAccount: shop, services: { shop: { http: 9200 } } }
  - { name: far-1, node: c, address: ${c.address4}, serviceAccount: far }
`,
    }),
  })

t.test('three changes of the root cost no request, whoever is killed at whatever step', async t => {
  const mesh = await start()
  const { a, b, cp, d } = mesh.hosts
  await serve(b, b.name, b.address4, ['echo=9100', 'http=9200'])
  const earlyToken = await mesh.weft('token', 'create', '--node', 'd')
  const classes = {
    new: 'new@api.default.mesh/9000',
    kept: 'kept@api.default.mesh/9000',
    http: 'http@shop.default.mesh/80',
  } as const
  const load = await startLoad(a, classes, { ...asWeb, everyMs: 20 })
  t.teardown(() => load.stop())
  await until('all is well', async () => (await load.report()).http.succeeded > 10)
  await load.report()

  const status = async (): Promise<CaStatus> => JSON.parse(await mesh.weft('ca', 'status', '-o', 'json'))
  const reach = (step: string | undefined) =>
    until(`the step is ${step ?? 'the last'}`, async () => (await status()).rotation?.step === step, 60_000)
  const killServer = async () => {
    await mesh.server.kill('SIGKILL')
    await mesh.server.start()
  }
  const onlyCMissing = async () =>
    until(
      'only c is missing',
      async () => {
        const missing = (await status()).rotation?.missing ?? []
        return missing.length === 1 && missing[0]?.node === 'c'
      },
      60_000,
    )

  const roots = new Set([(await status()).root])
  for (let round = 1; round <= 3; round += 1) {
    await mesh.agents.c.kill('SIGKILL')
    await mesh.weft('ca', 'rotate', '--spread', '5s')
    await reach('preparing')
    await killServer()
    await onlyCMissing()
    t.equal((await status()).rotation?.step, 'preparing', 'not without c')
    await mesh.weft('ca', 'rotate', '--force')
    await reach('signing')
    await killServer()
    await onlyCMissing()
    t.equal((await status()).rotation?.step, 'signing', 'not without c either')
    // c knows nothing of the new root, which signs the certificate of the server by now
    await mesh.agents.c.start()
    await reach('retiring')
    await mesh.agents.c.kill('SIGKILL')
    await killServer()
    await mesh.agents.c.start()
    await reach(undefined)
    await mesh.settled()
    const { root, trusted } = await status()
    t.same(trusted, [root])
    roots.add(root)
    const counts = await load.report()
    for (const [name, { tried, failed }] of Object.entries(counts)) {
      t.same(failed, {}, `round ${round}: ${name} of ${tried}`)
      t.ok(tried > 100, `${name} was tried ${tried} times`)
    }
  }
  t.equal(roots.size, 4)

  // a token of the first root, three roots later
  const config = join(mesh.directory, 'd.json')
  const tokenFile = join(mesh.directory, 'd.token')
  writeFileSync(
    config,
    JSON.stringify({ node: 'd', server: { host: cp.address4 }, stateDir: join(mesh.directory, 'd') }),
  )
  writeFileSync(tokenFile, earlyToken, { mode: 0o600 })
  const cli = join(import.meta.dirname, '../../cli/main.ts')
  await d.must(process.execPath, [cli, 'agent', 'join', '--config', config, '--token-file', tokenFile])
})
