import t from 'tap'
import { statusText } from '../../../cli/status-text.ts'
import type { StatusView } from '../../../server/api/routes-status.ts'
import type { AgentStatus, RegistryStatus } from '../../../server/status.ts'

const now = Date.UTC(2030, 0, 1, 12)
const minute = 60_000

const agent = (node: string, more: Partial<AgentStatus> = {}): AgentStatus => ({
  node,
  state: 'connected',
  since: now - 10 * minute,
  banned: false,
  transport: 'websocket',
  facts: {},
  configVersion: 7,
  answeredVersion: 7,
  rejected: [],
  certificateExpiresAt: now + 600 * minute,
  ...more,
})

const registry = (name: string, more: Partial<RegistryStatus> = {}): RegistryStatus => ({
  name,
  kind: 'consul',
  state: 'fresh',
  since: now - 60 * minute,
  services: 3,
  workloads: 4,
  problems: [],
  flapping: 0,
  ...more,
})

const view = (agents: readonly AgentStatus[], registries: readonly RegistryStatus[]): StatusView => ({
  server: 's1',
  version: '0.1.0',
  trustDomain: 'mesh.local',
  now,
  agents,
  registries,
  tokenKeys: [],
  problems: [],
})

const lines = (agents: readonly AgentStatus[], registries: readonly RegistryStatus[] = []) =>
  statusText(view(agents, registries)).split('\n')

t.test('a mesh that is well is two tables and nothing else', async t => {
  t.equal(
    statusText(view([agent('vm-1')], [registry('consul')])),
    `server s1, trust domain mesh.local, version 0.1.0

AGENT  STATE             CHANNEL    CONFIG   CERTIFICATE ENDS
vm-1   connected 10 min  websocket  7 acked  in 10 h

REGISTRY  KIND    STATE         SERVICES  WORKLOADS
consul    consul  fresh 60 min  3         4`,
  )
})

t.test('an empty mesh says so', async t => {
  t.same(lines([]).slice(1), ['', 'no agent has joined', '', 'no registry is configured'])
})

t.test('a stale agent has the time, the reason and what holds meanwhile', async t => {
  const text = lines([agent('vm-1', { state: 'stale', lastClose: 'no answer to a ping' })])
  t.match(text[3], /vm-1 +stale 10 min +websocket +7 acked/)
  t.equal(
    text.at(-1),
    '! agent vm-1 is stale since 2030-01-01T11:50:00Z: no answer to a ping; it goes on with the configuration it has',
  )
})

t.test('an agent that was never seen, one that is behind, one that refuses', async t => {
  const text = lines([
    agent('a', { state: 'never', configVersion: 0, answeredVersion: 0 }),
    agent('b', { answeredVersion: 6 }),
    agent('c', { rejected: [{ name: 'service/default/api', reason: 'port 0' }] }),
  ]).join('\n')
  t.match(text, /a +not seen yet +- +- /)
  t.match(text, /b +connected 10 min +websocket +7 pending/)
  t.match(text, /c +connected 10 min +websocket +7 nacked/)
  t.match(text, /! agent a has joined 10 min ago and was not seen since this server started/)
  t.match(text, /! agent c does not take service\/default\/api and keeps its last good version: port 0/)
})

t.test('a banned agent, and a certificate that has run out', async t => {
  const text = lines([agent('a', { banned: true, state: 'stale', certificateExpiresAt: now - 5 * minute })])
  t.match(text[3], /a +stale 10 min, banned +.*expired 5 min ago/)
  t.same(text.slice(-1), ['! agent a is banned: it gets neither configuration nor certificates'])
})

t.test('a registry that is starting, stale, or holds something back, with the command that lets it go', async t => {
  const text = lines(
    [],
    [
      registry('first', { state: 'starting', reason: 'connection refused', services: 0, workloads: 0 }),
      registry('second', { state: 'stale', reason: 'connection refused' }),
      registry('third', { held: { since: now, until: now + 10 * minute, workloads: 3, services: 1, answering: 0 } }),
    ],
  )
  t.match(text[5], /first +consul +starting 60 min +0 +0/)
  t.match(text[6], /second +consul +stale 60 min +3 +4/)
  t.match(text[7], /third +consul +fresh 60 min, held back/)
  t.same(text.slice(-3), [
    '! registry first has not answered yet: connection refused; agents get no new configuration before every registry has',
    '! registry second is stale since 2030-01-01T11:00:00Z: connection refused; its last view stays in use',
    '! registry third: 1 service and 3 workloads disappeared at once 0 s ago and stay in use for 10 min more; if they are really gone: weft registries confirm third',
  ])
})

t.test('items that were left out are named once, and cannot steer the terminal', async t => {
  const problems = [
    { item: 'web\u001b[2J', reason: 'no port' },
    { item: 'web\u001b[2J', reason: 'no port' },
  ]
  t.same(lines([], [registry('consul', { problems })]).slice(-2), ['', '! registry consul: web?[2J: no port'])
})

t.test('keys for tokens are told when they are not what they should be', async t => {
  const keys = (state: 'fresh' | 'stale' | 'missing', uri: string) => ({
    uri,
    state,
    since: now - minute,
    reason: 'no answer',
  })
  const tokenKeys = [keys('fresh', 'https://a'), keys('stale', 'https://b'), keys('missing', 'https://c')]
  const text = statusText({ ...view([agent('vm-1')], []), tokenKeys })
  t.same(
    text.split('\n').filter(line => line.startsWith('!')),
    [
      '! the keys for tokens from https://b cannot be fetched for 60 s; the last good ones stay in use: no answer',
      '! the keys for tokens from https://c cannot be fetched for 60 s; tokens of their rules are refused: no answer',
    ],
  )
})

t.test('plaintext that is permitted for a time is told before and after', async t => {
  const permissive = [
    { policy: 'shop/old', until: now - 60 * minute, isOver: true },
    { policy: 'shop/all', until: now + 90 * minute, isOver: false },
  ]
  const text = statusText({ ...view([], []), permissive })
  t.match(text, /! PeerAuthentication shop\/old has counted as STRICT since 2030-01-01.*: write STRICT/)
  t.match(text, /! PeerAuthentication shop\/all permits plaintext until 2030-01-01T13:30:00Z, for 90 min more/)
})

t.test('what an agent is too old for is said to be kept from it', async t => {
  const rejected = [{ name: 'policy/x', reason: 'this agent is too old', withheld: true }] as const
  t.ok(lines([agent('vm-1', { rejected })]).includes('! agent vm-1 does not get policy/x: this agent is too old'))
})
