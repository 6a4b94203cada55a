import type { Clock } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { readCredential } from './tls-files.ts'

/** Where the ACL token of requests comes from. */
export interface TokenSource {
  /** The token to send now; undefined sends none. Rejects with WEFT_REGISTRY_UNAVAILABLE. */
  current(signal: AbortSignal): Promise<string | undefined>
  /** Consul does not know this token, or gives it too few rights; true when asking again with another one may help. */
  refused(token: string | undefined): Promise<boolean>
  /** Gives back what was obtained; resolves when that is done or given up. */
  close(): Promise<void>
}

/** The same token always, or none. */
export function fixedToken(token: string | undefined): TokenSource {
  return { current: async () => token, refused: async () => false, close: async () => {} }
}

/** How often a file is looked at for another content. */
export const lookMs = 5_000

/** A token in a file, which may be replaced at any time; the one known stays in use while the file cannot be read. */
export function tokenInFile(file: string, { clock, log }: { readonly clock: Clock; readonly log: Log }): TokenSource {
  let known: string | undefined
  let lookAt = 0

  async function look(): Promise<string> {
    lookAt = clock.monotonic() + lookMs
    const token = (await readCredential(file)).trim()
    if (token === '') {
      throw new MeshError('WEFT_REGISTRY_UNAVAILABLE', 'the token file is empty', { fields: { file } })
    }
    known = token
    return token
  }

  return {
    async current() {
      if (known !== undefined && clock.monotonic() < lookAt) return known
      try {
        return await look()
      } catch (error) {
        if (known === undefined) throw error
        log.warn('the token of consul cannot be read again', { error })
        return known
      }
    },
    refused: async token => (await look()) !== token,
    async close() {},
  }
}
