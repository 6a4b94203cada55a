import type { MeshServiceResource } from '../model/agent-config.ts'
import type { RoutableService } from './world.ts'

/** A service as routing knows it, of an agent's config or of whoever explains what that agent does. */
export function routableService(
  service: Pick<
    MeshServiceResource,
    'namespace' | 'name' | 'hosts' | 'virtualIps' | 'addresses' | 'ports' | 'exportTo'
  >,
): RoutableService {
  const { namespace, name, hosts, virtualIps, addresses, ports, exportTo } = service
  return { namespace, name, hosts, addresses: [...virtualIps, ...addresses], ports, exportTo }
}
