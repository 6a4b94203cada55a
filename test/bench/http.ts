import { cpu, type Goal, quotient, rssGoal } from './ratios.ts'
import { smallBody } from './scenarios.ts'
import { direct } from './subjects/direct.ts'
import { envoyIstio, envoyMinimal } from './subjects/envoy.ts'
import { haproxyHttp } from './subjects/haproxy.ts'
import { weft } from './subjects/weft.ts'
import { runSuite } from './suite.ts'
import type { Scenario } from './types.ts'

const keepAlive: Scenario = {
  name: 'keep-alive',
  describe: '16 connections, 1 KiB',
  bodyBytes: smallBody.bytes,
  run: (load, target, seconds) => load.wrk(target, smallBody.path, seconds, { connections: 16 }),
}

const paced: Scenario = {
  name: 'paced',
  describe: '1,000 requests/s over 16 connections, open loop, 1 KiB',
  bodyBytes: smallBody.bytes,
  run: (load, target, seconds) => load.paced(target, smallBody.path, seconds, { perSecond: 1000, connections: 16 }),
}

const streams: Scenario = {
  name: 'streams',
  describe: '8 connections with 8 streams each, 1 KiB',
  bodyBytes: smallBody.bytes,
  run: (load, target, seconds) => load.h2load(target, smallBody.path, seconds, { connections: 8, streams: 8 }),
}

const httpGoals: readonly Goal[] = [
  { name: 'http.cpu/envoy-istio', atMost: 0.5, value: find => cpu(find, 'keep-alive', 'envoy-istio') },
  { name: 'http.cpu/haproxy-http', atMost: 1.6, value: find => cpu(find, 'keep-alive', 'haproxy-http') },
  { name: 'http.paced-cpu/envoy-istio', atMost: 0.8, value: find => cpu(find, 'paced', 'envoy-istio') },
  {
    name: 'http.p99-added/envoy-istio',
    atMost: 1.5,
    value(find) {
      const direct = find('paced', 'direct')
      return direct && quotient(find, 'paced', 'envoy-istio', row => row.p99Ms - direct.p99Ms)
    },
  },
  rssGoal,
]

const http2Goals: readonly Goal[] = [
  { name: 'http2.cpu/envoy-istio', atMost: 0.9, value: find => cpu(find, 'streams', 'envoy-istio') },
  rssGoal,
]

const subjectNames = ['direct', 'weft', 'haproxy-http', 'envoy-minimal', 'envoy-istio']

/**
 * `http`: HTTP/1.1 requests through two mTLS hops, Weft with all it does for a request (routing, identity, metrics,
 * access log); options: {@link runSuite}.
 */
export function benchHttp(args: readonly string[]): Promise<void> {
  return runSuite(
    {
      protocol: 'http',
      scenarios: [keepAlive, paced],
      goals: httpGoals,
      subjectNames,
      subjects: world => [direct, weft(world.mesh), haproxyHttp('http1'), envoyMinimal('http1'), envoyIstio('http1')],
    },
    args,
  )
}

/** `http2`: the same for HTTP/2 without TLS on both ends. */
export function benchHttp2(args: readonly string[]): Promise<void> {
  return runSuite(
    {
      protocol: 'http2',
      scenarios: [streams],
      goals: http2Goals,
      subjectNames,
      subjects: world => [
        direct,
        weft(world.mesh, 'http2'),
        haproxyHttp('http2'),
        envoyMinimal('http2'),
        envoyIstio('http2'),
      ],
    },
    args,
  )
}
