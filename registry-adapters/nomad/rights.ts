import { MeshError } from '../../mesh/std/errors.ts'
import type { NomadServiceName } from './answers.ts'
import { failureOf } from './client/errors.ts'
import type { Indexed, Reads } from './reads.ts'

/**
 * The names of the services of all namespaces. Nomad leaves out of `/v1/services?namespace=*` the namespaces that a
 * token may not read and answers 200 with the rest, so a lost right looks like an empty registry. Asked for by name,
 * such a namespace is refused. A namespace that had services (`known`) and is missing now, and `default` when there
 * never was any, is asked for by name: throws WEFT_REGISTRY_UNAVAILABLE when that is refused, or has services after all.
 */
export async function readAllNames(known: ReadonlySet<string>, reads: Reads, signal: AbortSignal): Promise<Names> {
  let names = await reads.serviceNames('*', signal)
  const suspects = known.size === 0 && names.value.length === 0 ? new Set(['default']) : known
  for (const namespace of suspects) {
    if (lists(names, namespace) || (await namesIn(namespace, reads, signal)).length === 0) continue
    // What was registered between the two reads is in a list that is read again.
    names = await reads.serviceNames('*', signal)
    if (!lists(names, namespace)) throw lost('the list of all services leaves out a namespace that has some', namespace)
  }
  return names
}

type Names = Indexed<readonly NomadServiceName[]>

function lists({ value }: Names, namespace: string): boolean {
  return value.some(name => name.namespace === namespace)
}

async function namesIn(namespace: string, reads: Reads, signal: AbortSignal): Promise<readonly NomadServiceName[]> {
  try {
    return (await reads.serviceNames(namespace, signal)).value
  } catch (error) {
    if (failureOf(error) === 'denied')
      throw lost('the token may not read the services of a namespace', namespace, error)
    throw error
  }
}

function lost(message: string, namespace: string, cause?: unknown): MeshError {
  return new MeshError('WEFT_REGISTRY_UNAVAILABLE', message, {
    fields: { failure: 'denied', namespace },
    next: 'give the token list-jobs and read-job in the namespace, or name those it may read with the option namespaces',
    cause,
  })
}
