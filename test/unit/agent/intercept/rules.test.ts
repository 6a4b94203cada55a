import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { type CapturePlan, families } from '../../../../agent/intercept/plan.ts'
import { captureRules, type RuleFacts } from '../../../../agent/intercept/rules.ts'
import { applyText } from '../../../../agent/intercept/saved-rules.ts'

// Golden files in test/golden/intercept are the specification; WEFT_UPDATE_GOLDEN=1 writes them anew.

const plan: CapturePlan = {
  virtualIpRanges: ['240.240.0.0/16', 'fd00:240:0:0::/48'],
  endpoints: [{ address: '10.0.0.1', port: 8080 }],
  defaultPort: 15001,
  callers: [],
  inbound: [
    { address: '10.0.0.1', port: 8080 },
    { address: '10.0.0.1', port: 22 },
    { address: '2001:db8::1', port: 8080 },
    { address: '0.0.0.0', port: 9090 },
  ],
  inboundPort: 15006,
}
const facts: RuleFacts = {
  mode: 'mesh',
  self: { kind: 'cgroup', path: 'system.slice/weft-agent.service/weft-agent-h1' },
  callers: [
    { kind: 'cgroup', path: 'system.slice/dev-disk-by\\x2duuid "odd".service', port: 15102 },
    { kind: 'uid', uid: 1001, port: 15101 },
  ],
  excludePorts: [5432],
  excludeRanges: ['192.0.2.0/24', '2001:db8:1::/48'],
  resolvers: ['10.0.0.53', '2001:db8::53'],
}

const cases: readonly { name: string; plan: CapturePlan; facts: RuleFacts }[] = [
  { name: 'mesh', plan, facts },
  { name: 'all', plan, facts: { ...facts, mode: 'all' } },
  { name: 'ranges', plan: { ...plan, ranges: [{ range: '198.51.100.0/24', port: 443 }] }, facts },
  { name: 'dns', plan: { ...plan, dnsPort: 15053 }, facts: { ...facts, callers: [], self: { kind: 'uid', uid: 990 } } },
]

for (const { name, plan, facts } of cases) {
  for (const family of families) {
    t.test(`rules of mode ${name} for IPv${family} are as specified`, async t => {
      const text = applyText(captureRules(plan, facts, family), new Map(), new Set(['nat']))
      const file = new URL(`../../../golden/intercept/${name}-v${family}.rules`, import.meta.url)
      if (process.env.WEFT_UPDATE_GOLDEN === '1') writeFileSync(file, text)
      t.equal(text, readFileSync(file, 'utf8'))
    })
  }
}

t.test('both families get the same rules but for their addresses', async t => {
  const shape = (family: 4 | 6) =>
    captureRules(plan, { ...facts, excludeRanges: [] }, family)
      .nat.rules.map(rule => rule.replace(/-d \S+/, '-d X').replace(/weft-endpoints-\d/, 'SET'))
      .filter(rule => !rule.startsWith('-A WEFT_OUTPUT -d X -j RETURN'))
      .filter(rule => !rule.includes('-A WEFT_INBOUND'))
  t.same(shape(4), shape(6))
})

const bad: readonly { title: string; plan?: Partial<CapturePlan>; facts?: Partial<RuleFacts> }[] = [
  { title: 'a range with a line break', plan: { virtualIpRanges: ['10.0.0.0/8\n-A OUTPUT -j DROP'] } },
  { title: 'a range that is too narrow', plan: { virtualIpRanges: ['10.0.0.0/33'] } },
  { title: 'a range that is a name', plan: { virtualIpRanges: ['example.com/8'] } },
  { title: 'an address with a zone', plan: { inbound: [{ address: 'fe80::1%eth0', port: 1 }] } },
  { title: 'a port beyond the last', plan: { inbound: [{ address: '10.0.0.1', port: 65_536 }] } },
  { title: 'a port that is no number', plan: { defaultPort: '1; reboot' as unknown as number } },
  { title: 'a uid below zero', facts: { callers: [{ kind: 'uid', uid: -1, port: 15101 }] } },
  { title: 'a cgroup path with a line break', facts: { callers: [{ kind: 'cgroup', path: 'a\n-F', port: 15101 }] } },
  { title: 'a cgroup path that climbs', facts: { callers: [{ kind: 'cgroup', path: '../a', port: 15101 }] } },
  { title: 'an excluded range that is none', facts: { excludeRanges: ['10.0.0.0/8/8'] } },
]

for (const { title, ...change } of bad) {
  t.test(`${title} never becomes a rule`, async t => {
    const make = () => captureRules({ ...plan, ...change.plan }, { ...facts, ...change.facts }, 4)
    t.throws(make, { code: 'WEFT_CAPTURE', fields: {} })
  })
}

t.test('no list of ports is longer than the kernel takes', async t => {
  const excludePorts = Array.from({ length: 40 }, (_, index) => 20_000 + index)
  for (const rule of captureRules(plan, { ...facts, excludePorts }, 4).nat.rules) {
    const ports = /--dports (\S+)/.exec(rule)?.[1]?.split(/[,:]/) ?? []
    t.ok(ports.length <= 15, rule)
  }
})
