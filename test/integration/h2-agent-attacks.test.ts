import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { clientPreface } from '../../agent/dataplane/h2/frames.ts'
import type { ListenerRole } from '../../agent/dataplane/messages.ts'
import { ThreadCore } from '../../agent/dataplane/thread-core.ts'
import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import { systemRandom } from '../../mesh/std/clock.ts'
import { FakeClock } from '../fakes/clock.ts'
import { aConfig, aPlainEndpoint, aService, aWorkload } from '../support/agent-config.ts'
import { aTrustedMesh, identityOf } from '../support/data-threads.ts'
import { until } from '../support/eventually.ts'
import { type AttackTarget, attackSession, type Verdict } from '../support/h2-attack-session.ts'
import { attacks } from '../support/h2-attacks.ts'
import { block } from '../support/h2-raw.ts'
import { dialTls } from '../support/hbone-peer.ts'

/** `/large` has 4 MiB, a POST is never answered, everything else is empty. */
async function aBackend(t: Test): Promise<number> {
  const server = createServer((incoming, outgoing) => {
    incoming.resume()
    if (incoming.method === 'POST') return
    outgoing.end(incoming.url === '/large' ? Buffer.alloc(4 * 1024 * 1024, 0x61) : '')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not bound')
  return address.port
}

/**
 * Agents believe each other more than applications: they may give up many requests, and hold streams for as long as they
 * answer when they are asked whether they live. What is not for an application is taken off before it is delivered.
 */
function amongAgents(alpn: 'weft/1' | 'h2', name: string, usual: readonly Verdict[]): readonly Verdict[] {
  if (holdsStreams.has(name)) return []
  // only CONNECT is served there
  if (alpn === 'h2') return [...usual, 'status 400', 'reset 1', 'reset 11']
  return [...usual, ...(weftVerdicts.get(name) ?? [])]
}

const holdsStreams = new Set([
  'a window that stays closed',
  'a window that opens byte by byte',
  'a body that never comes',
  'a client that reads nothing',
])

const weftVerdicts: ReadonlyMap<string, readonly Verdict[]> = new Map([
  ['field "upgrade": "websocket"', ['status 200']],
  ['field "X-Upper": "case"', ['status 200']],
  ['a host that differs from :authority', ['status 200']],
  ['two hosts', ['status 200']],
  ['user information', ['reset 1']],
  ['a fragment', ['status 200']],
  ['a path with bytes beyond ASCII', ['reset 1']],
  ['an authority with bytes beyond ASCII', ['reset 1']],
  ['a method in lower case', ['status 503']],
  ['https in the clear', ['status 200']],
  ['two hundred fields', ['reset 11']],
  ['a field of a hundred kilobytes', ['reset 11']],
  ['rapid reset', ['served']],
  ['resets that the server is made to send', ['served']],
  ['a header bomb: one large table entry, referred to on a hundred streams', ['reset 11']],
  ['heads that are kept waiting, of sixty kilobytes each', ['status 431']],
])

interface Victim {
  readonly core: ThreadCore
  readonly clock: FakeClock
  readonly port: number
}

async function aVictim(t: Test, role: ListenerRole, config: AgentConfig): Promise<Victim> {
  const clock = new FakeClock(Date.now())
  const core = new ThreadCore({}, clock, systemRandom, {
    originalDst: () => ({ address: '240.240.0.1', port: 80 }),
    callerOf: async () => undefined,
  })
  t.teardown(() => core.drain(0))
  core.config(config)
  const [bound] = await core.listen([{ name: 'only', role, host: '127.0.0.1', port: 0 }])
  if (bound?.port === undefined) throw new Error(bound?.error ?? 'not bound')
  return { core, clock, port: bound.port }
}

/** Runs all attacks on one agent, one after the other, and sees that it serves others meanwhile. */
async function withstand(
  t: Test,
  victim: Victim,
  connectTo: () => Promise<Socket>,
  request: { readonly fields: readonly string[]; readonly harmless?: Buffer },
  expected: (name: string, usual: readonly Verdict[]) => readonly Verdict[],
): Promise<void> {
  const { clock, core } = victim
  const authority = 'api.default.mesh'
  let serving: Promise<void> = Promise.resolve()
  const serve = async (target: AttackTarget) => {
    const session = await attackSession(target)
    session.headers(1, request.harmless ?? session.request(), request.harmless === undefined)
    const verdict = await session.verdict(1)
    session.socket.destroy()
    if (verdict !== 'status 200') throw new Error(`another client got ${verdict}`)
  }
  const { fields } = request
  const bystander: AttackTarget = { authority, fields, connect: connectTo, pass: async () => {} }
  const target: AttackTarget = {
    ...bystander,
    async pass(ms) {
      await serving
      await clock.advance(ms)
      await serve(bystander)
    },
  }
  for (const attack of attacks) {
    const expect = expected(attack.name, attack.expect)
    if (expect.length === 0) continue
    const running = attack.run(target)
    serving = serve(bystander)
    const verdict = await running.catch((error: unknown) => String(error))
    await serving
    await serve(bystander)
    t.ok(
      expect.some(one => one === verdict),
      `${attack.name}: ${verdict} is one of ${expect.join(', ')}`,
    )
  }
  await until('nothing is left of it', () => core.report().gauges.openConnections === 0)
}

t.test('an agent that takes the calls of local processes withstands them', async t => {
  const endpoint = aPlainEndpoint({ address: '127.0.0.1', ports: { http: await aBackend(t) } })
  const role = { kind: 'outbound', identity: identityOf('web') } as const
  const config = aConfig({ workloads: [aWorkload()], services: [aService({ endpoints: [endpoint] })] })
  const victim = await aVictim(t, role, config)
  const connectTo = async () => {
    const socket = connect(victim.port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
    return socket
  }
  // who has not said that it speaks HTTP/2 is not told anything in it
  const isMute = (name: string) => name.startsWith('a client that says')
  await withstand(t, victim, connectTo, { fields: [] }, (name, usual) => (isMute(name) ? [] : usual))

  for (const [words, ms] of [
    [clientPreface.slice(0, 12), 10_000],
    ['', 3_600_000],
  ] as const) {
    const socket = await connectTo()
    let closed = false
    socket.on('error', () => {})
    socket.on('close', () => {
      closed = true
    })
    socket.resume()
    socket.write(words)
    // long enough for the bytes to have been looked at
    const session = await attackSession({ authority: 'api.default.mesh', connect: connectTo, pass: async () => {} })
    session.socket.destroy()
    await victim.clock.advance(ms)
    await until(`${JSON.stringify(words)} and nothing more is closed`, () => closed)
  }
})

for (const alpn of ['weft/1', 'h2'] as const) {
  t.test(`an agent that is called by others in ${alpn} withstands them`, async t => {
    const mesh = aTrustedMesh()
    const port = await aBackend(t)
    const ports = [{ port, protocol: 'http', mtls: 'STRICT', mtlsFrom: 'default', service: 'default/api' } as const]
    const api = aWorkload({
      id: 'static/api-1',
      name: 'api-1',
      address: '127.0.0.1',
      identity: identityOf('api'),
      ports,
    })
    const victim = await aVictim(t, { kind: 'hbone' }, aConfig({ trust: mesh.trust, workloads: [api] }))
    victim.core.credentials([mesh.credential('api')])
    const { roots } = mesh.trust
    const credential = mesh.credential('web')
    const connectTo = () => dialTls(t, { port: victim.port, roots, credential, tls: { ALPNProtocols: [alpn] } })
    const destination = `127.0.0.1:${port}`
    const fields = ['x-weft-destination', destination, 'x-weft-source', 'service.name=web']
    const tunnel = block(':method', 'CONNECT', ':authority', destination)
    const request = alpn === 'h2' ? { fields, harmless: tunnel } : { fields }
    await withstand(t, victim, connectTo, request, (name, usual) => amongAgents(alpn, name, usual))
  })
}
