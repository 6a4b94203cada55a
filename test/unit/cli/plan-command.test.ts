import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Plan, PlannedEffect } from '../../../server/flows/plan.ts'
import { runCommand as run } from '../../support/command-line.ts'
import { aFlow } from '../../support/flows.ts'

const policy = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: shop }
spec: { mtls: { mode: STRICT } }
`

function fileWith(t: Test, text: string): string {
  const file = join(t.testdir(), 'resources.yaml')
  writeFileSync(file, text)
  return file
}

const effect: PlannedEffect = {
  caller: '',
  networks: ['192.0.2.0/24'],
  service: 'shop/api',
  port: 8080,
  nodes: ['b'],
  requests: ['GET /orders/{*}'],
  isPartial: true,
  count: 12,
  lastSeen: 0,
  before: { allowed: true, by: 'no policy' },
  after: { allowed: false, by: 'PeerAuthentication shop/strict (STRICT)' },
}

function plan(values: Partial<Plan> = {}): Plan {
  const observed = { flows: 7, since: 0, until: 60_000, nodes: ['b'], silentNodes: ['a'] }
  return { now: 180_000, cutOff: [effect], letIn: [], observed, gone: 0, unclear: 0, notKept: [], ...values }
}

t.test('a plan says who would be cut off, by which policy, and how much is known', async t => {
  const { printed, asked } = await run(`plan -f ${fileWith(t, policy)} --delete PeerAuthentication/shop/old`, {
    '/v1/plan': plan(),
  })
  t.equal(
    printed,
    [
      'would be cut off:',
      'CALLER                       SERVICE        REQUESTS         SEEN      LAST       NOW DECIDED BY  THEN DECIDED BY',
      'plaintext from 192.0.2.0/24  shop/api:8080  GET /orders/{*}  12 times  3 min ago  no policy       PeerAuthentication shop/strict (STRICT)',
      '',
      'nobody would be let in',
      '',
      'judged by 7 kinds of calls, seen on 1 nodes from 3 min ago to 2 min ago; callers that were not seen cannot be judged',
      '! no call was seen on a',
      '! {*} and {**} stand for parts of paths that are not kept: rules for one of them may decide otherwise',
    ].join('\n'),
  )
  t.match(asked[0], /"deleted":\["PeerAuthentication\/shop\/old"\]/)
})

t.test('where nothing was seen a plan says that nothing can be said', async t => {
  const observed = { flows: 0, nodes: [], silentNodes: ['a', 'b'] }
  const { printed } = await run(`plan -f ${fileWith(t, policy)}`, { '/v1/plan': plan({ cutOff: [], observed }) })
  t.match(printed, /nobody would be cut off[\s\S]*no call was seen yet: nothing can be said of any caller/)
})

t.test('a change that is none, or names no resource, is refused', async t => {
  await t.rejects(run('plan'), { code: 'WEFT_USAGE' })
  await t.rejects(run('plan --delete strict'), { code: 'WEFT_USAGE' })
})

t.test('apply and delete name whom they would cut off and do nothing, unless they are told to', async t => {
  const file = fileWith(t, policy)
  const there = { document: { kind: 'PeerAuthentication', metadata: { name: 'strict', namespace: 'shop' } } }
  const answers = { '/v1/plan': plan(), '/v1/resources': { applied: [], resources: [there] } }
  for (const verb of ['apply', 'delete']) {
    await t.rejects(run(`${verb} -f ${file}`, answers), {
      code: 'WEFT_CUTS_CALLERS',
      message: '1 caller that was seen would be cut off',
      fields: {
        problems: [String, /^plaintext from 192.0.2.0\/24 to shop\/api:8080 \(GET \/orders\/\{\*\}\): PeerAuth/],
      },
    })
    const sure = await run(`${verb} --yes -f ${file}`, answers)
    t.ok(sure.asked.every(one => !one.includes('/v1/plan')))
    const harmless = await run(`${verb} -f ${file}`, { ...answers, '/v1/plan': plan({ cutOff: [] }) })
    t.ok(harmless.asked.length >= 2)
  }
})

t.test('flows are listed with who called what, of one service or all', async t => {
  const flows = [
    { node: 'b', ...aFlow({ lastSeen: 0, count: 3, path: '/orders/{*}' }) },
    { node: 'b', ...aFlow({ lastSeen: 0, caller: '', protocol: 'tcp', method: '', path: '', allowed: false }) },
    { node: 'b', ...aFlow({ service: 'shop/other' }) },
  ]
  const { printed } = await run('flows --service default/api', { '/v1/flows': { now: 60_000, flows } })
  t.match(printed, /sa\/web +default\/api:8080 +GET \/orders\/\{\*\} +- +allowed +3 +60 s ago +b\n/)
  t.match(printed, /plaintext from 10.0.0.0\/24 +default\/api:8080 +tcp +- +refused +1 /)
  t.notMatch(printed, /shop\/other/)
})
