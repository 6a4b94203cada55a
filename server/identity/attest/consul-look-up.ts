import { readFile } from 'node:fs/promises'
import type { Clock } from '../../../mesh/std/clock.ts'
import { MeshError } from '../../../mesh/std/errors.ts'
import { createHttpConnection, readBody } from '../../../registry-adapters/http.ts'
import type { ConsulLookUp } from './consul.ts'

export interface ConsulLookUpOptions {
  /** URL of an agent or server. */
  readonly address: string
  /** PEM files; empty texts are none. */
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
}

const maxBytes = 256 * 1024
const deadlineMs = 10_000

/** Asks a Consul agent with the token that is asked about, and with no other. */
export function createConsulLookUp(options: ConsulLookUpOptions, { clock }: { readonly clock: Clock }): ConsulLookUp {
  return {
    async self(token, signal) {
      const [ca, cert, key] = await Promise.all(
        [options.caFile, options.certFile, options.keyFile].map(file =>
          file === '' ? undefined : readFile(file, 'utf8'),
        ),
      )
      const tls = {
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      }
      const connection = createHttpConnection({ origin: new URL(options.address).origin, tls, maxSockets: 1 })
      const close = () => connection.close()
      const deadline = clock.timer(deadlineMs, close)
      signal.addEventListener('abort', close, { once: true })
      try {
        signal.throwIfAborted()
        const exchange = connection.get('/v1/acl/token/self', { 'x-consul-token': token }, 'single')
        const { status } = await exchange.head
        const body = await readBody(exchange, maxBytes)
        // versions differ in how they say that there is no such token
        if (status === 403 || status === 404 || status === 401) return undefined
        if (status !== 200 || body === undefined) throw unavailable(options, { status })
        return JSON.parse(body)
      } catch (cause) {
        signal.throwIfAborted()
        throw cause instanceof MeshError ? cause : unavailable(options, {}, cause)
      } finally {
        deadline.cancel()
        signal.removeEventListener('abort', close)
        connection.close()
      }
    },
  }
}

function unavailable({ address }: ConsulLookUpOptions, fields: object, cause?: unknown): MeshError {
  return new MeshError('WEFT_REGISTRY_UNAVAILABLE', 'consul cannot be asked about a token', {
    fields: { address, ...fields },
    cause,
  })
}
