import type { Clock } from '../../../mesh/std/clock.ts'
import { createHttpConnection, type HttpConnection, type HttpExchange } from '../../http.ts'
import type { KubernetesSettings } from '../options.ts'
import { type Access, type AccessReader, createAccessReader } from './access.ts'

/** The connection to an API server with the credentials of the moment. */
export interface Session {
  /** Sends a GET; throws WEFT_REGISTRY_UNAVAILABLE when there are no usable credentials. */
  send(path: string, accept: string, socket: 'pooled' | 'single'): Promise<HttpExchange>
  /** After a failure: the next request reads the credentials again. */
  suspect(refused: boolean): void
  close(): void
}

interface Current {
  readonly access: Access
  readonly connection: HttpConnection
}

/** Lists that are read at once have a socket each, up to this. */
const maxSockets = 8

/** Reads the credentials at the first request, after each failure, and when they have grown old. */
export function createSession(
  settings: KubernetesSettings,
  clock: Clock,
  reader: AccessReader = createAccessReader(settings, clock),
): Session {
  const ending = new AbortController()
  let current: Current | undefined
  let suspected = true
  let readAt = 0
  let reading: Promise<Current> | undefined

  async function read(): Promise<Current> {
    const access = await reader.read(ending.signal)
    ending.signal.throwIfAborted()
    suspected = false
    readAt = clock.monotonic()
    if (current !== undefined && sameConnection(current.access, access)) {
      current = { access, connection: current.connection }
      return current
    }
    current?.connection.retire()
    const { origin, tls } = access
    current = { access, connection: createHttpConnection({ origin, tls, maxSockets }) }
    return current
  }

  async function refresh(): Promise<Current> {
    const old = clock.monotonic() - readAt >= settings.pace.credentialsMs
    if (current !== undefined && !suspected && !old) return current
    // several reads begin at the same moment, and need the credentials once
    reading ??= read().finally(() => {
      reading = undefined
    })
    return await reading
  }

  return {
    async send(path, accept, socket) {
      ending.signal.throwIfAborted()
      const { access, connection } = await refresh()
      const headers: Record<string, string> = { ...access.headers, accept }
      if (socket === 'single') headers['accept-encoding'] = 'identity'
      return connection.get(`${access.basePath}${path}`, headers, socket)
    },
    suspect(refused) {
      suspected = true
      if (refused) reader.refused()
    },
    close() {
      ending.abort()
      current?.connection.close()
      current = undefined
    },
  }
}

function sameConnection(a: Access, b: Access): boolean {
  return a.origin === b.origin && JSON.stringify(a.tls) === JSON.stringify(b.tls)
}
