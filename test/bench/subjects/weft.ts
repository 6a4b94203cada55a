import type { ServiceView } from '../../../server/api/routes-services.ts'
import { clientUid } from '../load.ts'
import type { Subject } from '../types.ts'
import type { BenchMesh } from '../world.ts'
import { type Speaks, untilServed } from './pair.ts'

/**
 * Weft as an operator runs it: the real agents with capture, identity checks, PeerAuthentication's default, metrics and
 * access log; one data thread each. The client connects to the service's virtual IP.
 */
export function weft(mesh: BenchMesh, speaks: Speaks = 'http1'): Subject {
  return {
    name: 'weft',
    async start({ hosts }) {
      const agents = [mesh.agents.client, mesh.agents.server]
      await Promise.all(agents.map(agent => agent.start()))
      await mesh.settled()
      const services: readonly ServiceView[] = JSON.parse(await mesh.weft('services', '-o', 'json'))
      const service = services.find(one => one.name === 'backend')
      const target = { address: service?.virtualIps[0] ?? '', port: service?.ports[0]?.port ?? 0 }
      await untilServed(hosts.client, target, speaks, clientUid)
      return {
        target,
        outbound: [mesh.agents.client.process.pid],
        inbound: [mesh.agents.server.process.pid],
        async stop() {
          await Promise.all(agents.map(agent => agent.kill('SIGTERM')))
        },
      }
    },
  }
}
