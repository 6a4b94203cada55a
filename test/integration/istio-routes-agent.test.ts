import t from 'tap'
import { isListed, listedRoutes, needlessNames } from '../support/differences.ts'
import { type RouteCase, routeDifferences, sidecarRouteCases } from '../support/istio-routes.ts'
import { type RecordedAgent, RecordedMesh } from '../support/istio-routes-agent.ts'
import { refusalsOf } from '../support/istio-routes-world.ts'

/** What is the wire's, or our own. */
const ignoredHeaders = new Set(['date', 'server', 'weft-reason', 'connection', 'content-length', 'transfer-encoding'])

/** Sets under way at once. */
const inParallel = 12

/** What differs, by case. */
type Wrong = Map<string, readonly string[]>

t.test('requests through a running agent become what they became in Istio, or it is said where not', async t => {
  const { pid } = process
  const mesh = new RecordedMesh(`127.66.${(pid >> 8) & 0xff}.${pid & 0xff}`)
  t.teardown(() => mesh.upstream.close())
  await mesh.start([80, 8080])
  const cases = sidecarRouteCases()
  const sets = [...Map.groupBy(cases, kase => kase.set).values()]
  const wrong: Wrong = new Map()
  const untimed = sets.filter(set => !set.some(isTimed)).values()
  const work = async () => {
    for (const set of untimed) await runSet(mesh, set, wrong)
  }
  await Promise.all(Array.from({ length: inParallel }, work))
  // short timeouts want a thread that has nothing else to do
  const timed = sets.filter(set => set.some(isTimed))
  const agents = await Promise.all(timed.map(async set => [set, await mesh.agent(set)] as const))
  await Promise.all(agents.map(([set, agent]) => runCases(agent, set, wrong)))
  for (const [, agent] of agents) await agent.stop()

  const { decided, seen } = listedRoutes()
  // and a machine that has not: what time alone has spoilt comes out right when it is asked again
  for (const set of sets) {
    const spoilt = set.filter(({ id }) => wrong.has(id) && !isListed(id, [...decided, ...seen]))
    if (spoilt.length === 0) continue
    const agent = await mesh.agent(set)
    for (let round = 0; round < 3; round += 1) {
      for (const kase of spoilt) if (wrong.delete(kase.id)) await runCases(agent, [kase], wrong)
    }
    await agent.stop()
  }

  const share = ((100 * (cases.length - wrong.size)) / cases.length).toFixed(2)
  t.comment(`routes through an agent: ${cases.length - wrong.size} of ${cases.length} agree, ${share} %`)
  for (const [id, found] of wrong) {
    if (!isListed(id, [...decided, ...seen])) t.fail(`${id}: ${found.join('; ')}`)
  }
  t.same(needlessNames(seen, [...wrong.keys()]), [], 'what is listed as seen through an agent does differ')
  t.ok(wrong.size <= cases.length / 50, 'nearly all agree')
})

async function runSet(mesh: RecordedMesh, set: readonly RouteCase[], wrong: Wrong): Promise<void> {
  const refusals = refusalsOf(set[0]?.resources ?? [])
  if (refusals.length > 0) {
    for (const { id } of set) wrong.set(id, refusals)
    return
  }
  const agent = await mesh.agent(set)
  await runCases(agent, set, wrong)
  await agent.stop()
}

async function runCases(agent: RecordedAgent, cases: readonly RouteCase[], wrong: Wrong): Promise<void> {
  const seen = new Map<RouteCase, Awaited<ReturnType<RecordedAgent['run']>>>()
  const run = async (kase: RouteCase) => void seen.set(kase, await agent.run(kase))
  const staged = cases.filter(({ upstreamBehaviour }) => upstreamBehaviour !== undefined)
  const plain = cases.filter(kase => !staged.includes(kase))
  // retries of one request must not use up what another one may retry
  await Promise.all([...plain.map(run), inTurn(staged, run)])
  for (const [kase, observed] of seen) {
    const found = routeDifferences(kase, observed(), { ignoredHeaders })
    if (found.length > 0) wrong.set(kase.id, found)
  }
}

function isTimed({ upstreamBehaviour = [], result }: RouteCase): boolean {
  return (result.elapsedMs ?? 0) > 0 || upstreamBehaviour.some(({ delay = 0 }) => delay > 0)
}

async function inTurn(cases: readonly RouteCase[], run: (kase: RouteCase) => Promise<void>): Promise<void> {
  for (const kase of cases) await run(kase)
}
