import { performance } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Cluster, type PickContext } from '../../agent/dataplane/upstream/cluster.ts'
import { hash53 } from '../../agent/dataplane/upstream/hash.ts'
import type { BalancerSettings } from '../../mesh/routing/cluster.ts'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { clusterEndpoints, clusterSettings, nowhere } from '../support/cluster.ts'

/**
 * What choosing an endpoint costs: nanoseconds and octets of garbage per choice, by balancer and number of endpoints, in
 * the steady state; then microseconds to rearrange after a change of health, and after one of membership.
 * `node test/bench/balancer-micro.ts [choices]`.
 */

const key = { kind: 'source-ip' } as const
const warmup = { durationMs: 3_600_000, minimumPercent: 10, aggression: 1 }
interface Subject {
  readonly balancer: BalancerSettings
  readonly weightOf?: (index: number) => number
  readonly isHashed?: boolean
}
const subjects: Readonly<Record<string, Subject>> = {
  'least request': { balancer: { kind: 'least-request', warmup: undefined } },
  'least request, weights': {
    balancer: { kind: 'least-request', warmup: undefined },
    weightOf: index => 1 + (index % 7),
  },
  'least request, warming': { balancer: { kind: 'least-request', warmup } },
  'round robin': { balancer: { kind: 'round-robin', warmup: undefined } },
  'round robin, weights': { balancer: { kind: 'round-robin', warmup: undefined }, weightOf: index => 1 + (index % 7) },
  random: { balancer: { kind: 'random', warmup: undefined } },
  'random, weights': { balancer: { kind: 'random', warmup: undefined }, weightOf: index => 1 + (index % 7) },
  'ring hash': { balancer: { kind: 'ring-hash', minimumRingSize: 1024, key }, isHashed: true },
  maglev: { balancer: { kind: 'maglev', tableSize: 65_537, key }, isHashed: true },
}
const sizes = [3, 100, 1000]
const rounds = 5

function measureAll(choices: number): void {
  const contexts = Array.from({ length: 1024 }, (_, user) => ({ hash: hash53(`user-${user}`), tried: undefined }))
  const anyContexts = contexts.map(() => ({ hash: undefined, tried: undefined }))
  console.log('balancer                endpoints  ns/choice  octets/choice  µs/health  µs/membership')
  for (const [name, { balancer, weightOf, isHashed }] of Object.entries(subjects)) {
    for (const size of sizes) {
      const endpoints = clusterEndpoints(size, index => ({ weight: weightOf?.(index) ?? 1 }))
      const cluster = new Cluster(clusterSettings({ balancer }), { clock: systemClock, random: systemRandom })
      cluster.update(endpoints, nowhere)
      const requests: readonly PickContext[] = isHashed === true ? contexts : anyContexts
      const choose = (count: number) => {
        for (let index = 0; index < count; index += 1) {
          const endpoint = cluster.pick(requests[index & 1023])
          endpoint?.state.begin()
          endpoint?.state.end()
        }
      }
      choose(choices / 10)
      const nanoseconds = median(() => timeOf(() => choose(choices)) / choices) * 1e6
      const garbage = octetsOf(() => choose(choices)) / choices
      const [first] = endpoints
      const health = median(() =>
        timeOf(() => {
          if (first === undefined) return
          cluster.report(first, first.state.failedUntil === 0 ? 'connect-failure' : 'tcp-connected')
          cluster.pick(requests[0])
        }),
      )
      let isWhole = true
      const membership = median(() =>
        timeOf(() => {
          isWhole = !isWhole
          cluster.update(isWhole ? endpoints : endpoints.slice(1), nowhere)
          cluster.pick(requests[0])
        }),
      )
      const figures = [nanoseconds.toFixed(1).padStart(10), garbage.toFixed(2).padStart(14)]
      const updates = [(health * 1000).toFixed(1).padStart(10), (membership * 1000).toFixed(1).padStart(14)]
      console.log(`${name.padEnd(24)}${String(size).padStart(8)} ${[...figures, ...updates].join(' ')}`)
    }
  }
}

/** Milliseconds. */
function timeOf(run: () => void): number {
  const since = performance.now()
  run()
  return performance.now() - since
}

function octetsOf(run: () => void): number {
  collect()
  const before = process.memoryUsage().heapUsed
  run()
  return process.memoryUsage().heapUsed - before
}

function median(measure: () => number): number {
  return Array.from({ length: rounds }, measure).sort((one, other) => one - other)[rounds >> 1] ?? 0
}

// A young generation that holds all garbage of a round, so that none of it is collected before it is counted.
setFlagsFromString('--max-semi-space-size=256')
setFlagsFromString('--min-semi-space-size=256')
setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

measureAll(Number(process.argv[2] ?? 1_000_000))
