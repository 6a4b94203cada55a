import type { LocalWorkloadResource } from '../../mesh/model/agent-config.ts'
import { registeredWorkloadId } from '../../mesh/wire/registration.ts'
import type { StandingRegistration } from './registrations.ts'

/**
 * What has become of a registration, as far as this host can tell: `no-address` is not told to the server yet,
 * `unreported` waits for the server, `unconfirmed` was told and is not (or not yet) among what the server gave this
 * host, `published` is.
 */
export interface RegistrationStatus extends StandingRegistration {
  readonly state: 'no-address' | 'unreported' | 'unconfirmed' | 'published'
  /** What that means and what to do, one sentence; absent where all is well. */
  readonly detail?: string
}

const details: Readonly<Record<Exclude<RegistrationStatus['state'], 'published'>, string>> = {
  'no-address': 'this host has no address that others can reach; give one with --address or register.address',
  unreported: 'the server is not reached; it is told as soon as it is',
  unconfirmed: 'the server has not taken it (yet): if this stays, weft status and weft registries there say why',
}

/** Says of each registration what is known here. */
export function registrationStatus(
  standing: readonly StandingRegistration[],
  known: { readonly connected: boolean; readonly workloads: readonly Pick<LocalWorkloadResource, 'id'>[] },
): readonly RegistrationStatus[] {
  const ids = new Set(known.workloads.map(({ id }) => id))
  return standing.map(one => {
    const state = stateOf(one, known.connected, ids)
    return { ...one, state, ...(state === 'published' ? {} : { detail: details[state] }) }
  })
}

function stateOf(one: StandingRegistration, connected: boolean, ids: ReadonlySet<string>): RegistrationStatus['state'] {
  if (one.address === undefined) return 'no-address'
  if (!connected) return 'unreported'
  return ids.has(registeredWorkloadId(one)) ? 'published' : 'unconfirmed'
}
