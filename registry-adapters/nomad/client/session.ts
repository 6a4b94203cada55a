import type { Clock } from '../../../mesh/std/clock.ts'
import { createHttpConnection, type HttpConnection, type HttpExchange } from '../../http.ts'
import { type Credentials, readCredentials, sameTls } from './credentials.ts'
import type { NomadSettings } from './options.ts'

/** The connection to Nomad with the credentials of the moment. */
export interface Session {
  /** Sends a request with the current token; throws when the credentials cannot be read. */
  send(pathAndQuery: string, socket: 'pooled' | 'single'): Promise<HttpExchange>
  /** After a failure: the next request reads the credentials again. */
  suspect(): void
  close(): void
}

interface Current {
  readonly credentials: Credentials
  readonly connection: HttpConnection
}

/** Reads the credentials at the first request, after each failure, and when they have grown old. */
export function createSession(settings: NomadSettings, clock: Clock): Session {
  let current: Current | undefined
  let suspected = true
  let readAt = 0
  let closed = false

  async function refresh(): Promise<Current> {
    const old = clock.monotonic() - readAt >= settings.limits.credentialsMs
    if (current !== undefined && !suspected && !old) return current
    const credentials = await readCredentials(settings).catch((error: unknown) => {
      // A file in the middle of being replaced takes nothing away from a token that works.
      if (current === undefined || suspected) throw error
      return current.credentials
    })
    if (closed) throw new Error('the client is closed')
    suspected = false
    readAt = clock.monotonic()
    if (current !== undefined && sameTls(current.credentials, credentials)) {
      current = { credentials, connection: current.connection }
      return current
    }
    current?.connection.retire()
    const { origin, socketPath, maxSockets } = settings
    current = {
      credentials,
      connection: createHttpConnection({ origin, socketPath, maxSockets, tls: credentials.tls }),
    }
    return current
  }

  return {
    async send(pathAndQuery, socket) {
      const { credentials, connection } = await refresh()
      const { token } = credentials
      const encoding: Record<string, string> = socket === 'single' ? { 'accept-encoding': 'identity' } : {}
      const headers = token === undefined ? encoding : { ...encoding, 'x-nomad-token': token }
      return connection.get(pathAndQuery, headers, socket)
    },
    suspect() {
      suspected = true
    },
    close() {
      closed = true
      current?.connection.close()
      current = undefined
    },
  }
}
