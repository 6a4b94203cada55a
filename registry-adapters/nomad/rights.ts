import { MeshError } from '../../mesh/std/errors.ts'
import type { NomadServiceName } from './answers.ts'
import { failureOf } from './client/errors.ts'
import type { Reads } from './reads.ts'

/**
 * Nomad leaves out of `/v1/services?namespace=*` the namespaces that a token may not read and answers 200 with the
 * rest, so a lost right looks like an empty registry. Asked for by name, such a namespace is refused. A namespace that
 * had services and is missing now, and `default` when there never was any, is asked for by name: throws
 * WEFT_REGISTRY_UNAVAILABLE when that is refused, or has services after all.
 */
export async function checkMissing(
  known: ReadonlySet<string>,
  listed: readonly NomadServiceName[],
  reads: Reads,
  signal: AbortSignal,
): Promise<void> {
  const there = new Set(listed.map(({ namespace }) => namespace))
  const suspects = known.size === 0 && there.size === 0 ? ['default'] : [...known].filter(name => !there.has(name))
  for (const namespace of suspects) {
    const named = await namesIn(namespace, reads, signal)
    if (named.length === 0) continue
    // What was registered between the two reads is in a list that is read again.
    const again = await reads.serviceNames('*', signal)
    if (again.value.some(name => name.namespace === namespace)) continue
    throw lost('the list of all services leaves out a namespace that has some', namespace)
  }
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
