import t from 'tap'
import { createListenerSet } from '../../../../agent/control/listener-set.ts'
import type { ListenerSpec } from '../../../../agent/dataplane/messages.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { aConfig, aWorkload } from '../../../support/agent-config.ts'

const ports = {
  outbound: 15001,
  inbound: 15006,
  hbone: 15008,
  metrics: 15020,
  readiness: 15021,
  dns: 15053,
  workloadBase: 15100,
}
const web = 'spiffe://mesh.local/ns/default/sa/web'
const config = aConfig({ workloads: [aWorkload({ callers: [{ kind: 'uid', uid: 1000 }] })] })

/** A data plane on a host where some ports belong to somebody else. */
function start(taken: readonly number[], assigned: ReadonlyMap<string, number> = new Map()) {
  const saved: ReadonlyMap<string, number>[] = []
  const asked: (readonly ListenerSpec[])[] = []
  const set = createListenerSet(
    {
      log: silentLog,
      save: next => saved.push(next),
      dataPlane: {
        async listen(specs) {
          asked.push(specs)
          return specs.map(({ name, port }) => (taken.includes(port) ? { name, error: 'EADDRINUSE' } : { name, port }))
        },
      },
    },
    { ports, assigned },
  )
  return { set, saved, asked }
}

t.test('opens what the config needs and keeps the assignment', async t => {
  const { set, saved, asked } = start([])
  await set.open(config)
  t.same([...set.ports()], [[web, 15100]])
  t.same(saved, [new Map([[web, 15100]])])
  t.ok(set.bound().every(one => one.error === undefined))
  await set.open(config)
  t.equal(saved.length, 1)
  t.equal(asked.length, 2)
})

t.test('gives a workload another port when somebody else holds its own', async t => {
  const { set, saved } = start([15100, 15101], new Map([[web, 15100]]))
  await set.open(config)
  t.equal(set.ports().get(web), 15102)
  t.equal(saved.at(-1)?.get(web), 15102)
  t.ok(set.bound().every(one => one.error === undefined))
})

t.test('says which of the fixed ports is taken, and does not move it', async t => {
  const { set, asked } = start([15008])
  await set.open(config)
  t.equal(asked.length, 1)
  const failed = set.bound().filter(one => one.error !== undefined)
  t.ok(failed.length > 0)
  t.ok(failed.every(one => one.name.startsWith('hbone/')))
})

t.test('does not hand out a port that another part of the agent uses', async t => {
  const { set } = start([], new Map([[web, 15008]]))
  await set.open(config)
  t.equal(set.ports().get(web), 15100)
})
