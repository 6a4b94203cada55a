import { describeError } from '../../mesh/std/errors.ts'
import type { NameAnswer } from '../dataplane/messages.ts'
import type { LookUp } from '../dns/look-up.ts'
import { endpointFilter } from './endpoint-filter.ts'

export interface NameLookUpDeps {
  readonly lookUp: LookUp
  /** The mesh's own addresses at that moment: none of them is an answer. */
  virtualIpRanges(): readonly string[]
}

/** Looks names up for the data threads; several that ask for the same one at once have the same answer. */
export interface NameLookUp {
  /** Never rejects: without an address there is a reason. */
  find(name: string): Promise<NameAnswer>
  stop(): void
}

export function createNameLookUp({ lookUp, virtualIpRanges }: NameLookUpDeps): NameLookUp {
  const asked = new Map<string, Promise<NameAnswer>>()
  const stopping = new AbortController()

  const ask = async (name: string): Promise<NameAnswer> => {
    const none = { name, addresses: [], ttlMs: 0 }
    try {
      const { addresses, ttlMs } = await lookUp(name, stopping.signal)
      const usable = addresses.filter(endpointFilter(virtualIpRanges()))
      if (usable.length === 0) return { ...none, reason: 'it has no address that an endpoint can have' }
      return { name, addresses: usable, ttlMs, reason: '' }
    } catch (error) {
      return { ...none, reason: describeError(error) }
    } finally {
      asked.delete(name)
    }
  }

  return {
    find(name) {
      const known = asked.get(name)
      if (known !== undefined) return known
      const answer = ask(name)
      asked.set(name, answer)
      return answer
    },
    stop: () => stopping.abort(),
  }
}
