import type { BalancerSettings } from '../../../../mesh/routing/cluster.ts'
import { assertNever } from '../../../../mesh/std/assert-never.ts'
import type { Random } from '../../../../mesh/std/clock.ts'
import type { ClusterEndpoint } from '../endpoint.ts'
import { BackendUtilization } from './backend-utilization.ts'
import type { Balancer } from './balancer.ts'
import { LeastRequest } from './least-request.ts'
import { Maglev } from './maglev.ts'
import { RandomChoice } from './random.ts'
import { RingHash } from './ring-hash.ts'
import { RoundRobin } from './round-robin.ts'

/** The balancer that the settings ask for. `weightOf` is an endpoint's weight after slow start, `now` monotonic time. */
export function makeBalancer<E extends ClusterEndpoint>(
  settings: BalancerSettings,
  weightOf: (endpoint: E) => number,
  random: Random,
  now: () => number,
): Balancer<E> {
  switch (settings.kind) {
    case 'least-request':
      return new LeastRequest(weightOf, random)
    case 'round-robin':
      return new RoundRobin(weightOf, random)
    // Whoever passes through does not choose; should it be asked to, any endpoint is as good.
    case 'passthrough':
    case 'random':
      return new RandomChoice(random)
    case 'backend-utilization':
      return new BackendUtilization(
        ({ state }) => state.load?.weightAt(now(), settings) ?? 0,
        // what the registry says of weights gives way to what endpoints say themselves
        endpoint => weightOf(endpoint) / endpoint.weight,
        random,
      )
    case 'ring-hash':
      return new RingHash(settings.minimumRingSize, random)
    case 'maglev':
      return new Maglev(settings.tableSize, random)
    default:
      return assertNever(settings)
  }
}
