import t from 'tap'
import type { Ban } from '../../server/identity/ca-state.ts'
import { until } from '../support/eventually.ts'
import { createMesh } from './mesh.ts'
import { failures, startLoad } from './mesh-load.ts'
import { agentStatus, serve } from './mesh-probe.ts'

t.setTimeout(300_000)

const asWeb = { uid: 4001 }
// What a banned host has is cut within this time.
const cutWithinMs = 10_000

// a host that may call in plaintext needs no identity
const strict = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: weft-system }
spec: { mtls: { mode: STRICT } }
`

t.test('a banned host is cut off everywhere, at once and for good, until it is let in again', async t => {
  const mesh = await createMesh(t, {
    hosts: ['a', 'b', 'c'],
    agent: { drainDeadlineMs: 1000 },
    files: ({ a, b, c }) => ({
      'services.yaml': `
services: [{ name: api, ports: { tcp: 9000 } }]
workloads:
  - { name: web-1, node: a, address: ${a.address4}, serviceAccount: web, uid: ${asWeb.uid} }
  - { name: web-2, node: c, address: ${c.address4}, serviceAccount: web, uid: ${asWeb.uid} }
  - { name: api-1, node: b, address: ${b.address4}, serviceAccount: api, services: { api: { tcp: 9100 } } }
`,
    }),
  })
  await mesh.apply(strict)
  const { a, b, c } = mesh.hosts
  await serve(b, b.name, b.address4, ['echo=9100'])
  const classes = { new: 'new@api.default.mesh/9000', kept: 'kept@api.default.mesh/9000' } as const
  const [good, bad] = [await startLoad(a, classes, asWeb), await startLoad(c, classes, asWeb)]
  t.teardown(() => Promise.all([good.stop(), bad.stop()]))
  const allWell = (load: typeof bad) =>
    until(
      'every call succeeds',
      async () => {
        const { new: fresh, kept } = await load.report()
        return [fresh, kept].every(counts => counts.succeeded > 5 && failures(counts) === 0)
      },
      30_000,
    )
  const nothingGoes = (load: typeof bad) =>
    until(
      'no call succeeds',
      async () => {
        const { new: fresh, kept } = await load.report()
        return fresh.succeeded + kept.succeeded === 0 && fresh.tried > 5
      },
      cutWithinMs,
    )
  await Promise.all([allWell(good), allWell(bad)])

  await mesh.weft('identity', 'ban', 'c', '--reason', 'its disk was copied')
  await nothingGoes(bad)
  await until('its agent is not served', async () => !(await agentStatus(mesh, 'c')).server.connected)
  await until('b says why', () => mesh.accessLog('b').some(line => line.reason === 'PEER_BANNED'))
  const bans: readonly Ban[] = JSON.parse(await mesh.weft('identity', 'bans', '-o', 'json'))
  t.match(bans, [{ subject: { kind: 'node', name: 'c' }, reason: 'its disk was copied' }])

  await mesh.server.kill('SIGKILL')
  await mesh.agents.b.kill('SIGKILL')
  await mesh.agents.b.start()
  await nothingGoes(bad)
  await mesh.server.start()
  await mesh.agents.c.kill('SIGKILL')
  await mesh.agents.c.start()
  await nothingGoes(bad)
  t.match(await agentStatus(mesh, 'c'), { server: { connected: false } })
  await allWell(good)

  await mesh.weft('identity', 'unban', 'c')
  await allWell(bad)
  await mesh.weft('identity', 'ban', 'spiffe://mesh.local/ns/default/sa/web')
  await Promise.all([nothingGoes(good), nothingGoes(bad)])
  await mesh.weft('identity', 'unban', 'spiffe://mesh.local/ns/default/sa/web')
  await Promise.all([allWell(good), allWell(bad)])
})
