import type { NomadPace } from '../../registry-adapters/nomad/options.ts'
import type { RegisteredInstance } from '../compliance/registry-adapter.ts'
import type { JobSpec } from '../fakes/nomad-job.ts'

/** Paces for tests that run on the real clock. */
export const quickPace: Partial<NomadPace> = { repeatMs: 20, pollMs: 20, backoffBaseMs: 20, backoffCapMs: 100 }

/** A job of one allocation with one service at that address and port. */
export function jobOfInstance({ id, service, address, port }: RegisteredInstance): JobSpec {
  return {
    id,
    groups: [{ name: 'g', ports: { http: { static: port } }, services: [{ name: service, port: 'http', address }] }],
  }
}
