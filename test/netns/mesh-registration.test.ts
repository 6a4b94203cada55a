import { join } from 'node:path'
import t from 'tap'
import { eventually, until } from '../support/eventually.ts'
import type { Host } from './host.ts'
import { createMesh } from './mesh.ts'
import { agentStatus, serve } from './mesh-probe.ts'

// Two machines that nobody wrote an entry for register themselves as one of a group, by the weft command.
const asWeb = { uid: 4001 }
const identity = (name: string) => `spiffe://mesh.local/ns/default/sa/${name}`

const mesh = await createMesh(t, {
  hosts: ['a', 'b', 'c'],
  identities: { b: ['default/payments'], c: ['default/payments'] },
  server: { register: { graceSeconds: 8 } },
  files: ({ a }) => ({
    'mesh.yaml': `
services: []
workloads: [{ name: web-1, node: a, address: ${a.address4}, serviceAccount: web, uid: ${asWeb.uid} }]
`,
  }),
})
const { a, b, c } = mesh.hosts
await mesh.apply(`
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: weft-system }
spec: { mtls: { mode: STRICT } }
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: payments, namespace: default }
spec:
  metadata: { labels: { app: payments } }
  template: { serviceAccount: payments, ports: { tcp: 9000 } }
  probe: { tcpSocket: { port: 9000 }, periodSeconds: 1, failureThreshold: 2 }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: payments, namespace: default }
spec:
  hosts: [payments.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 90, name: tcp, protocol: TCP }]
  workloadSelector: { labels: { app: payments } }
`)

/** Runs the weft command on a host, against its own agent. */
function weftOn(host: Host, ...args: string[]): Promise<string> {
  const cli = join(import.meta.dirname, '../../cli/main.ts')
  const where = ['--config', join(mesh.directory, `${host.name}.json`)]
  return host.must(process.execPath, ['--disable-warning=ExperimentalWarning', cli, ...args, ...where])
}

/** Opens a connection to the service and keeps it; `host` is the one that greeted. */
async function hold() {
  const running = a.spawn(
    process.execPath,
    [join(import.meta.dirname, 'programs/hold.ts'), 'payments.default.mesh', '90'],
    asWeb,
  )
  const greeting = await running.line(/heard 220|error|ended/)
  return { running, host: /220 (\w+) is ready/.exec(greeting)?.[1] ?? greeting }
}

/** Who answers several calls that are open together: one after the other would all go to the host with fewer open. */
async function answering(): Promise<string> {
  const calls: Awaited<ReturnType<typeof hold>>[] = []
  for (let call = 0; call < 6; call += 1) calls.push(await hold())
  await Promise.all(calls.map(({ running }) => running.kill()))
  return [...new Set(calls.map(({ host }) => host))].sort().join(' ')
}

async function answers(hosts: string): Promise<void> {
  await eventually(async () => {
    const now = await answering()
    if (now !== hosts) throw new Error(`${now} answer, not ${hosts}`)
  }, 60_000)
}

t.test('a host that registers gets calls over mutual TLS once its health check succeeds', async t => {
  t.match(await weftOn(b, 'register', '--group', 'default/payments'), /^b is registered here/)
  const { registrations } = await eventually(async () => {
    const status = await agentStatus(mesh, 'b')
    if (status.registrations[0]?.state !== 'published') throw new Error(JSON.stringify(status.registrations))
    if (status.health[0]?.state !== 'unhealthy') throw new Error(JSON.stringify(status.health))
    return status
  }, 30_000)
  t.match(registrations, [{ name: 'b', address: b.address4 }], 'by the address from which it reaches the server')
  await mesh.settled()
  const { host } = await hold()
  t.match(host, /error|ended/, 'nobody listens there yet')
  await serve(b, 'b', b.address4, ['banner=9000'])
  await answers('b')
  await until('the called host has seen the caller’s identity', () =>
    mesh
      .accessLog('b')
      .some(line => line['src.identity'] === identity('web') && line['dst.identity'] === identity('payments')),
  )
})

t.test('a host whose token does not allow it is refused by name, and stays without calls', async t => {
  await weftOn(a, 'register', '--group', 'default/payments', '--name', 'thief')
  await eventually(async () => {
    const { registries } = await mesh.status()
    const problems = registries.find(({ name }) => name === 'hosts')?.problems ?? []
    const refused = problems.some(({ item, reason }) => item.includes('thief of a') && reason.includes('may not be'))
    if (!refused) throw new Error(JSON.stringify(problems))
  }, 30_000)
  t.match(await weftOn(a, 'register', '--list'), /thief .*unconfirmed/)
  t.match(await mesh.weft('status'), /registration thief of a for default\/payments: a may not be default\/payments/)
  await weftOn(a, 'deregister', 'thief')
})

t.test('in maintenance what is open stays, and what is new goes elsewhere', async t => {
  await serve(c, 'c', c.address4, ['banner=9000'])
  await weftOn(c, 'register', '--group', 'default/payments')
  await answers('b c')
  const open = await eventually(async () => {
    const one = await hold()
    if (one.host === 'b') return one.running
    await one.running.kill()
    throw new Error(`${one.host} answered`)
  }, 30_000)
  await weftOn(b, 'maintain', 'b', '--reason', 'disk swap')
  await answers('c')
  open.write('still there\n')
  t.equal(await open.line('heard still'), 'heard still there')
  t.match(await mesh.weft('services', 'payments', '-o', 'json'), /"healthReason": "maintenance: disk swap"/)
  await weftOn(b, 'maintain', 'b', '--off')
  await answers('b c')
  open.write('again\n')
  t.equal(await open.line('heard again'), 'heard again')
  await open.kill()
})

t.test('a host whose agent is killed is gone after the grace time, and back with its agent', async t => {
  await mesh.agents.c.kill()
  t.equal(await registered(), 'b c', 'it is kept at first')
  await eventually(async () => {
    const now = await registered()
    if (now !== 'b') throw new Error(`${now} are registered`)
  }, 60_000)
  await answers('b')
  await mesh.agents.c.start()
  await answers('b c')
})

t.test('a host whose agent stops in good order leaves without a refused call', async t => {
  const seen: string[] = []
  const stopping = mesh.agents.c.kill('SIGTERM')
  const stopped = stopping.then(() => 'stopped')
  while ((await Promise.race([stopped, Promise.resolve('running')])) === 'running') {
    const { running, host } = await hold()
    seen.push(host)
    await running.kill()
  }
  t.same(
    [...new Set(seen)].filter(host => !/^[bc]$/.test(host)),
    [],
  )
  t.equal(await registered(), 'b')
  await mesh.agents.c.start()
  await answers('b c')
})

t.test('a server that starts again has not forgotten who was registered', async t => {
  await mesh.server.kill()
  await mesh.server.start()
  await mesh.settled()
  await answers('b c')
  t.equal(await registered(), 'b c')
})

/** The hosts that the server has endpoints of. */
async function registered(): Promise<string> {
  const [service] = JSON.parse(await mesh.weft('services', 'payments', '-o', 'json'))
  const ids: readonly string[] = service.endpoints.map(({ workload }: { readonly workload: string }) => workload)
  return ids
    .map(id => id.split('/').at(-1))
    .sort()
    .join(' ')
}
