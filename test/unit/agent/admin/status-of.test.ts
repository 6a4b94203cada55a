import t from 'tap'
import { notReadyOf, type StatusSources, secondsLeft, statusOf } from '../../../../agent/admin/status-of.ts'

const now = Date.UTC(2030, 0, 1)
const hour = 3_600_000
const node = { identity: 'spiffe://td/mesh/agent/vm-1', notAfter: now + hour, renewAt: now, refused: false }
const web = { ...node, identity: 'spiffe://td/ns/a/sa/web' }

const good: StatusSources = {
  node: 'vm-1',
  version: '1.2.3',
  startedAt: now - hour,
  now,
  draining: false,
  hasConfig: true,
  resources: 4,
  link: { kind: 'connected', since: now, server: 's1', version: 3, rejected: [] },
  certificates: [node, web],
  listeners: [{ name: 'hbone/ipv4', port: 15008 }],
  capture: { state: 'ok' },
  dns: { state: 'ok' },
  registrations: [],
  health: [],
  stateProblems: [],
}

t.test('is ready when listeners are open and config and certificates are there, with or without a server', async t => {
  t.same(notReadyOf(good), [])
  const alone = { kind: 'disconnected', since: now, reason: 'gone', version: 0, rejected: [] } as const
  t.same(notReadyOf({ ...good, link: alone }), [])
  t.same(notReadyOf({ ...good, dns: { state: 'failing', reason: 'port taken' } }), [])
  t.same(notReadyOf({ ...good, certificates: [{ ...node, notAfter: now - 1 }, web] }), [])
})

t.test('says in one word each what is missing', async t => {
  const { notAfter: _, ...none } = web
  const rows: [Partial<StatusSources>, string[]][] = [
    [{ draining: true }, ['draining']],
    [{ hasConfig: false }, ['config']],
    [{ listeners: [] }, ['listeners']],
    [{ listeners: [{ name: 'hbone/ipv4', error: 'EADDRINUSE' }] }, ['listeners']],
    [{ listeners: [{ name: 'egress/127.0.0.1:9080', error: 'EADDRINUSE' }] }, []],
    [{ certificates: [node, none] }, ['certificates']],
    [{ certificates: [node, { ...web, notAfter: now - 1 }] }, ['certificates']],
    [{ certificates: [node, { ...none, refused: true }] }, []],
    [{ capture: { state: 'failing', reason: 'no iptables' } }, ['capture']],
    [{ capture: { state: 'off' } }, []],
  ]
  for (const [values, expected] of rows) t.same(notReadyOf({ ...good, ...values }), expected)
})

t.test('writes times as RFC 3339', async t => {
  t.match(statusOf(good), {
    startedAt: '2029-12-31T23:00:00.000Z',
    server: { connected: true, since: '2030-01-01T00:00:00.000Z', name: 's1' },
    config: { version: 3, resources: 4 },
    certificates: [{ identity: node.identity, notAfter: '2030-01-01T01:00:00.000Z' }, { identity: web.identity }],
  })
})

t.test('tells what is left of each certificate that is there', async t => {
  const { notAfter: _, ...none } = web
  t.same(
    [...secondsLeft([node, none, { ...web, notAfter: now - 1500 }], now)],
    [
      [node.identity, 3600],
      [web.identity, -1],
    ],
  )
})
