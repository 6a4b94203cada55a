import t from 'tap'
import { avoidAfterFailureMs } from '../../../../../agent/dataplane/upstream/cluster.ts'
import type { ClusterEndpoint } from '../../../../../agent/dataplane/upstream/endpoint.ts'
import { EndpointStates } from '../../../../../agent/dataplane/upstream/endpoint.ts'
import { hash53 } from '../../../../../agent/dataplane/upstream/hash.ts'
import type { BalancerSettings } from '../../../../../mesh/routing/cluster.ts'
import { aCluster, clusterEndpoint, nowhere, outlierSettings, seededRandom } from '../../../../support/cluster.ts'

const key = { kind: 'source-ip' } as const
const warmup = { durationMs: 30_000, minimumPercent: 10, aggression: 1 }
const balancers: readonly BalancerSettings[] = [
  { kind: 'least-request', warmup: undefined },
  { kind: 'least-request', warmup },
  { kind: 'round-robin', warmup },
  { kind: 'random', warmup: undefined },
  { kind: 'ring-hash', minimumRingSize: 64, key },
  { kind: 'maglev', tableSize: 251, key },
]
const outcomes = ['connected', 'tcp-connected', 'connect-failure', 'timeout', 'reset'] as const
const places = ['', 'eu/a/1', 'eu/b/1', 'us/a/1']

/** Changes at random what the registry says, what endpoints answer and what time it is, and holds each pick to the rules. */
async function live(balancer: BalancerSettings, seed: number, steps: number): Promise<readonly string[]> {
  const random = seededRandom(seed)
  const below = (end: number) => Math.floor(random() * end)
  const broken: string[] = []
  const outlier = outlierSettings({
    consecutive5xx: 2,
    maxEjectionPercent: 40,
    minHealthPercent: seed % 2 === 0 ? 0 : 30,
  })
  const { cluster, clock } = aCluster({ balancer, outlier }, [], { seed })
  const states = new EndpointStates()
  let endpoints: readonly ClusterEndpoint[] = []
  const open: ClusterEndpoint[] = []

  const renew = () => {
    const count = below(12)
    endpoints = Array.from({ length: count }, () => below(20)).map(number => {
      const health = (['healthy', 'healthy', 'healthy', 'unhealthy', 'draining'] as const)[below(5)] ?? 'healthy'
      const [address, weight] = [`10.0.0.${number}:80`, below(4)]
      return clusterEndpoint(address, {
        health,
        weight,
        state: states.of('c', address),
        locality: places[below(4)] ?? '',
      })
    })
    cluster.update(endpoints, nowhere)
    states.prune()
  }
  const judge = (picked: ClusterEndpoint | undefined) => {
    const now = clock.monotonic()
    const members = endpoints.filter(({ health, weight }) => health !== 'draining' && weight > 0)
    const healthy = members.filter(({ health, state }) => health === 'healthy' && state.ejectedAt === undefined)
    const inPanic = outlier.minHealthPercent > 0 && healthy.length < members.length
    if (picked === undefined) {
      if (healthy.length > 0) broken.push('nothing was picked while there were healthy endpoints')
      return
    }
    if (!endpoints.includes(picked)) broken.push('an endpoint was picked that is gone')
    if (picked.health === 'draining' || picked.weight === 0) broken.push('an endpoint was picked that takes nothing')
    if (!healthy.includes(picked) && !inPanic) broken.push('an endpoint was picked that is out of use')
    // A trial has just been given the time for the next.
    if (picked.state.failedUntil > now && picked.state.failedUntil !== now + avoidAfterFailureMs)
      broken.push('one that failed lately was picked and not marked')
  }

  for (let step = 0; step < steps; step += 1) {
    const what = random()
    if (what < 0.02) renew()
    else if (what < 0.05) await clock.advance(below(15_000))
    else if (what < 0.7) {
      const tried = random() < 0.2 ? new Set(endpoints.slice(0, below(4))) : undefined
      const picked = cluster.pick({ hash: random() < 0.5 ? undefined : hash53(`${below(100)}`), tried })
      judge(picked)
      if (picked !== undefined) {
        picked.state.begin()
        open.push(picked)
      }
    } else {
      const [endpoint] = open.splice(below(open.length), 1)
      if (endpoint === undefined) continue
      endpoint.state.end()
      if (random() < 0.6) cluster.answered(endpoint, random() < 0.5 ? 200 : 503)
      else cluster.report(endpoint, outcomes[below(outcomes.length)] ?? 'reset')
    }
    const ejected = new Set(endpoints.map(({ state }) => state).filter(({ ejectedAt }) => ejectedAt !== undefined))
    if (cluster.outliers.ejectionsActive !== ejected.size) broken.push('ejections were counted wrongly')
    for (const { state } of endpoints) if (state.active < 0) broken.push('a count fell below nothing')
  }
  for (const { state } of open) state.end()
  cluster.stop()
  states.prune()
  if (states.size !== 0) broken.push('states were left over')
  if (clock.pending !== 0) broken.push('a timer was left over')
  return [...new Set(broken)]
}

for (const balancer of balancers) {
  const name = `${balancer.kind}${'warmup' in balancer && balancer.warmup !== undefined ? ' with slow start' : ''}`
  t.test(`${name}: picks nothing beyond the rules, whatever happens`, async t => {
    for (let seed = 1; seed <= 6; seed += 1) t.strictSame(await live(balancer, seed, 1500), [], `seed ${seed}`)
  })
}
