import type { ConsulPace } from '../../registry-adapters/consul/options.ts'
import type { RegisteredInstance } from '../compliance/registry-adapter.ts'
import type { ConsulRegistration } from './consul.ts'

/** Paces for tests that run on the real clock. */
export const quickPace: Partial<ConsulPace> = {
  repeatMs: 20,
  heartbeatMs: 200,
  sweepMs: 20,
  answerMs: 5_000,
  backoffBaseMs: 20,
  backoffCapMs: 100,
}

/** An instance on a node of its own, so that deregistering the node leaves nothing. */
export function registrationOf({ id, service, address, port }: RegisteredInstance): ConsulRegistration {
  return {
    Node: `node-${id}`,
    Address: '10.99.0.1',
    Service: { ID: id, Service: service, Address: address, Port: port },
    Check: { CheckID: `service:${id}`, Name: id, ServiceID: id, Status: 'passing' },
  }
}

/** An instance of a name that cannot stand in DNS. */
export function badRegistration(id: string): ConsulRegistration {
  return registrationOf({ id, service: 'Not_A_Label', address: '10.77.0.66', port: 80 })
}
