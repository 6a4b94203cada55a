import t from 'tap'
import { parseResources } from '../../../mesh/resources/parse.ts'
import type { Resource } from '../../../mesh/resources/resource.ts'
import { Watch } from '../../../mesh/std/watch.ts'
import { startMtls } from '../../../server/mtls.ts'
import { FakeClock } from '../../fakes/clock.ts'
import { workload } from '../../support/catalogue.ts'
import { recordedLog } from '../../support/recorded-log.ts'

const cart = workload({ id: 'r/cart', namespace: 'shop' })

/** A policy for a namespace that permits plaintext until then. */
function permissive(until: number): readonly Resource[] {
  const annotations = { 'weft.dev/permissive-until': new Date(until).toISOString() }
  const document = {
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name: 'all', namespace: 'shop', annotations },
    spec: { mtls: { mode: 'PERMISSIVE' } },
  }
  return parseResources(JSON.stringify(document), 'policy.yaml').resources
}

function start(untilMs: number) {
  const clock = new FakeClock()
  const log = recordedLog()
  const resources = new Watch(permissive(clock.now() + untilMs))
  const mtls = startMtls({ clock, log, resources }, { rootNamespace: 'weft-system' })
  t.teardown(() => mtls.stop())
  let changes = 0
  mtls.verdict.subscribe(() => (changes += 1))
  return { clock, log, resources, mtls, mode: () => mtls.verdict.value(cart, 80).mode, changes: () => changes }
}

t.test('plaintext is refused from the moment on that a policy says, without anybody writing anything', async t => {
  const { clock, log, mode, changes, mtls } = start(100_000)
  await clock.advance(99_999)
  t.same([mode(), changes()], ['PERMISSIVE', 0])
  await clock.advance(1)
  t.same([mode(), changes()], ['STRICT', 1])
  t.match(log.lines, [{ level: 'warn', fields: { policies: ['shop/all'] } }])
  t.equal(clock.pending, 0, 'there is nothing left to wait for')
  mtls.stop()
})

t.test('a time that is put off counts, and so does one that was over before the start', async t => {
  const { clock, resources, mode, mtls } = start(10_000)
  await clock.advance(5_000)
  resources.set(permissive(clock.now() + 60_000))
  await clock.advance(20_000)
  t.equal(mode(), 'PERMISSIVE')
  await clock.advance(40_000)
  t.equal(mode(), 'STRICT')
  mtls.stop()
  t.equal(start(-1).mode(), 'STRICT')
})

t.test('nothing is waited for once it has stopped', async t => {
  const { clock, mtls, changes } = start(10_000)
  mtls.stop()
  t.equal(clock.pending, 0)
  await clock.advance(20_000)
  t.equal(changes(), 0)
})
