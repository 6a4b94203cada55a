import t from 'tap'
import { FlowRecorder } from '../../../../../agent/dataplane/flows/flow-recorder.ts'
import { buildTable, type LocalTarget } from '../../../../../agent/dataplane/table.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { aConfig, aWorkload } from '../../../../support/agent-config.ts'

const web = { identity: 'spiffe://mesh.test/ns/default/sa/web', ip: '10.0.0.7' }
const stranger = { identity: '', ip: '192.0.2.9' }

function targetOf(protocol: 'http' | 'tcp'): LocalTarget {
  const port = { port: 8080, protocol, mtls: 'PERMISSIVE', mtlsFrom: 'default', service: 'default/api' } as const
  const workload = aWorkload({ id: 'static/api-1', address: '10.0.0.1', ports: [port] })
  const target = buildTable(aConfig({ workloads: [workload] })).table.local.get('10.0.0.1:8080')
  if (target === undefined) throw new Error('there is no target')
  return target
}

const get = (path: string, principal = '') => ({ method: 'GET', path, principal })

t.test('requests of one kind are one flow, whatever their ids, queries and sessions', async t => {
  const clock = new FakeClock(5_000)
  const recorder = new FlowRecorder(clock)
  const target = targetOf('http')
  recorder.saw(web, target, true, get('/orders/1'))
  await clock.advance(10)
  recorder.saw(web, target, true, get('/orders/1'))
  recorder.saw({ ...web }, target, true, get('/orders/2?token=secret'))
  recorder.saw(web, target, false, get('/orders/1'))
  recorder.saw(web, target, true, get('/orders/1', 'https://id.example/ann'))
  const { flows, dropped } = recorder.take()
  t.equal(dropped, 0)
  t.match(flows, [
    {
      ...{ caller: web.identity, network: '10.0.0.0/24', workload: 'static/api-1', service: 'default/api', port: 8080 },
      ...{ protocol: 'http', method: 'GET', path: '/orders/{*}', principal: '', allowed: true },
      ...{ count: 3, firstSeen: 5_000, lastSeen: 5_010 },
    },
    { allowed: false, count: 1 },
    { principal: 'https://id.example/ann', count: 1 },
  ])
  t.equal(flows.length, 3)
  t.notMatch(JSON.stringify(flows), /secret/)
  t.same(recorder.take().flows, [], 'what was taken is not counted again')
  recorder.saw(web, target, true, get('/orders/1'))
  t.match(recorder.take().flows, [{ count: 1 }])
})

t.test('connections have no path, and neither have requests on a port that is judged by connections', async t => {
  const recorder = new FlowRecorder(new FakeClock())
  recorder.saw(stranger, targetOf('http'), false)
  recorder.saw(web, targetOf('tcp'), true, get('/orders/1'))
  t.match(recorder.take().flows, [
    { caller: '', network: '192.0.2.0/24', protocol: 'tcp', method: '', path: '', allowed: false },
    { caller: web.identity, protocol: 'tcp', method: '', path: '' },
  ])
})

t.test('a caller who makes up paths gets a hundred of them', async t => {
  const recorder = new FlowRecorder(new FakeClock())
  const target = targetOf('http')
  for (let at = 0; at < 3_000; at += 1) recorder.saw(web, target, true, get(`/p${at}x`))
  const { flows } = recorder.take()
  t.equal(flows.length, 101)
  t.match(flows.at(-1), { path: '{**}', count: 2_900 })
})

t.test('of too many callers the rest is counted as such', async t => {
  const recorder = new FlowRecorder(new FakeClock())
  const target = targetOf('http')
  for (let at = 0; at < 2_005; at += 1) {
    recorder.saw({ identity: '', ip: `10.${at >> 8}.${at & 255}.1` }, target, true, get('/'))
  }
  const { flows, dropped } = recorder.take()
  t.equal(flows.length, 2_000)
  t.equal(dropped, 5)
})
