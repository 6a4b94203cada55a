import { MeshError } from '../../mesh/std/errors.ts'
import { parseNodeName } from './answers.ts'
import type { ConsulClient } from './client.ts'
import { ownCheckPrefix } from './health.ts'

/** What the mesh finds of a workload, for Consul to know. */
export interface WrittenHealth {
  readonly healthy: boolean
  /** Shown as the output of the check. */
  readonly reason: string
}

/** Name of the node whose agent is asked. */
export async function readNodeName(client: ConsulClient, signal: AbortSignal): Promise<string> {
  const answer = await client.read({ kind: 'self' }, { kind: 'now', consistency: 'default' }, signal)
  return parseNodeName(answer.body)
}

/**
 * Passing at first, which is what an instance without the check is: agents tell their servers a new status at once, and
 * a new output alone after minutes (`check_update_interval`). False when the agent has no such service.
 */
export function registerCheck(
  client: ConsulClient,
  service: string,
  ttlMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const body = {
    ID: checkId(service),
    Name: 'Weft',
    Notes: 'health as the mesh sees it',
    ServiceID: service,
    TTL: `${ttlMs}ms`,
    Status: 'passing',
  }
  return unless(
    /does not exist|unknown service/i,
    client.write({ method: 'PUT', path: '/agent/check/register', body }, signal),
  )
}

/** False when the agent has no such check. */
export function updateCheck(
  client: ConsulClient,
  service: string,
  { healthy, reason }: WrittenHealth,
  signal: AbortSignal,
): Promise<boolean> {
  const path = `/agent/check/update/${encodeURIComponent(checkId(service))}`
  const body = { Status: healthy ? 'passing' : 'critical', Output: reason }
  return unless(/does not have|unknown check/i, client.write({ method: 'PUT', path, body }, signal))
}

/** It may be gone already. */
export async function removeCheck(client: ConsulClient, service: string, signal: AbortSignal): Promise<void> {
  const path = `/agent/check/deregister/${encodeURIComponent(checkId(service))}`
  await unless(/does not have|unknown check/i, client.write({ method: 'PUT', path }, signal))
}

/** False for a failure in which Consul says this, true for none. */
async function unless(said: RegExp, writing: Promise<unknown>): Promise<boolean> {
  try {
    await writing
    return true
  } catch (error) {
    if (error instanceof MeshError && said.test(String(error.fields.said))) return false
    throw error
  }
}

function checkId(service: string): string {
  return `${ownCheckPrefix}${service}`
}
