import { cpu, type Goal, quotient, rssGoal } from './ratios.ts'
import { scenarios } from './scenarios.ts'
import { direct } from './subjects/direct.ts'
import { envoyHbone, envoyTcp } from './subjects/envoy.ts'
import { haproxy } from './subjects/haproxy.ts'
import { nginx } from './subjects/nginx.ts'
import { weft } from './subjects/weft.ts'
import { runSuite } from './suite.ts'

/** Named as in the performance notes; each holds within one run only. */
const goals: readonly Goal[] = [
  { name: 'l4.cpu/haproxy-tcp', atMost: 1.2, value: find => cpu(find, 'keep-alive', 'haproxy-tcp') },
  { name: 'l4.cpu/envoy-hbone', atMost: 1.3, value: find => cpu(find, 'keep-alive', 'envoy-hbone') },
  {
    name: 'l4.connections/envoy-hbone',
    atLeast: 1.2,
    value: find => quotient(find, 'connections', 'envoy-hbone', row => row.requestsPerSecond),
  },
  { name: 'l4.bulk-cpu/envoy-hbone', atMost: 1.2, value: find => cpu(find, 'bulk', 'envoy-hbone') },
  {
    name: 'l4.p99-added/envoy-tcp',
    atMost: 3,
    value(find) {
      const direct = find('paced', 'direct')
      return direct && quotient(find, 'paced', 'envoy-tcp', row => row.p99Ms - direct.p99Ms)
    },
  },
  rssGoal,
]

/** `l4`: bytes through two mTLS hops; options: {@link runSuite}. */
export function benchL4(args: readonly string[]): Promise<void> {
  return runSuite(
    {
      protocol: 'tcp',
      scenarios,
      goals,
      subjectNames: ['direct', 'weft', 'haproxy-tcp', 'nginx-stream', 'envoy-tcp', 'envoy-hbone'],
      subjects: world => [direct, weft(world.mesh), haproxy, nginx, envoyTcp, envoyHbone],
    },
    args,
  )
}
