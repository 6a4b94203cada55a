import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import type { Worker } from 'node:worker_threads'
import { decode, encode } from 'dns-packet'
import t from 'tap'
import { startAgent } from '../../agent/agent.ts'
import { agentState } from '../../agent/control/agent-state.ts'
import { openStateDirectory } from '../../agent/control/state-directory.ts'
import { unknownLocality } from '../../mesh/model/locality.ts'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { encodeResource } from '../../mesh/wire/agent-config-codec.ts'
import { FakeClock } from '../fakes/clock.ts'
import { aConfig, aService } from '../support/agent-config.ts'
import { agentWorld, ask } from '../support/agent-world.ts'
import { eventually } from '../support/eventually.ts'

/** What keeps this process alive besides timers and what is on its way. */
const running = () => {
  const handles = process.getActiveResourcesInfo().filter(name => !/^(Timeout|Immediate)|Req/.test(name))
  return handles.sort().join()
}

t.test('does not start when a data thread ends meanwhile, and leaves nothing running', async t => {
  const world = await agentWorld(t)
  const settings = world.settings()
  const before = running()
  process.once('worker', (worker: Worker) => void worker.terminate())
  const starting = startAgent(settings, { clock: systemClock, random: systemRandom, log: silentLog })
  await t.rejects(starting, { code: 'WEFT_AGENT_FAILED', message: 'a data thread ended by itself' })
  t.equal(existsSync(settings.adminSocket), false)
  await eventually(() => {
    const now = running()
    if (now !== before) throw new Error(`still running: ${now}, not ${before}`)
  })
  const again = await world.start()
  t.match(again.status(), { node: 'vm-1' })
})

t.test('a drain by the admin socket that comes before the agent has started ends it in good order', async t => {
  const world = await agentWorld(t)
  const base = aConfig()
  const host = { ...base.host, node: 'vm-1', trustDomain: 'mesh.test' }
  const trust = { kind: 'trust' as const, trustDomain: 'mesh.test', sequence: 1, roots: [world.authority.root] }
  const dnsEndpoints = [{ name: 'api.example', weight: 1, ports: { http: 80 }, labels: {}, locality: unknownLocality }]
  const state = agentState(await openStateDirectory(world.stateDir, { clock: systemClock, log: silentLog }))
  await state.saveResources([host, trust, aService({ endpoints: [], dnsEndpoints })].map(encodeResource))

  // The config of the last run waits for this name server, and the admin socket is open meanwhile.
  const dns = createSocket('udp4')
  t.teardown(() => dns.close())
  dns.bind(0, '127.0.0.1')
  await once(dns, 'listening')
  const settings = world.settings({ WEFT_AGENT_DNS_UPSTREAMS: `127.0.0.1:${dns.address().port}` })
  let hasStarted = false
  const starting = startAgent(settings, { clock: new FakeClock(Date.now()), random: systemRandom, log: silentLog })
  const started = starting.finally(() => {
    hasStarted = true
  })
  const [query, { port, address }] = await once(dns, 'message')
  t.match(await ask(settings.adminSocket, 'POST', '/drain'), { status: 202 })
  t.match(JSON.parse((await ask(settings.adminSocket, 'GET', '/status')).body), { notReady: ['draining'] })
  t.equal(hasStarted, false)
  const { id = 0, questions = [] } = decode(query)
  dns.send(encode({ type: 'response', id, flags: 0x8183, questions }), port, address)
  const agent = await started
  t.equal(await agent.ended, undefined)
  t.equal(existsSync(settings.adminSocket), false)
})
