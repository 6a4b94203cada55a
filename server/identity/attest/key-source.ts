import { readFile } from 'node:fs/promises'
import type { Clock } from '../../../mesh/std/clock.ts'
import { MeshError } from '../../../mesh/std/errors.ts'
import { createHttpConnection, readBody } from '../../../registry-adapters/http.ts'

/** Where an issuer's keys are; the first that is set counts. */
export interface KeySource {
  /** The key set itself, JSON. */
  readonly jwks: string
  readonly jwksFile: string
  readonly jwksUrl: string
  /** PEM files for the URL; empty texts are none. */
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
  /** Name that the server's certificate must have; empty: that of the URL. */
  readonly tlsServerName: string
}

const maxBytes = 256 * 1024
const deadlineMs = 10_000

/** What reads the keys anew. The URL is the operator's own, so that it may lead anywhere. */
export function keyReader(source: KeySource, clock: Clock): () => Promise<string> {
  if (source.jwks !== '') return async () => source.jwks
  if (source.jwksFile !== '') return () => readFile(source.jwksFile, 'utf8')
  return () => fetchKeys(source, clock)
}

async function fetchKeys(source: KeySource, clock: Clock): Promise<string> {
  const { origin, pathname, search } = new URL(source.jwksUrl)
  const [ca, cert, key] = await Promise.all([source.caFile, source.certFile, source.keyFile].map(readIfSet))
  const { tlsServerName: serverName } = source
  const tls = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === '' ? {} : { serverName }),
  }
  const connection = createHttpConnection({ origin, tls, maxSockets: 1 })
  const deadline = clock.timer(deadlineMs, () => connection.close())
  try {
    const exchange = connection.get(`${pathname}${search}`, { accept: 'application/json' }, 'single')
    const { status } = await exchange.head
    const body = await readBody(exchange, maxBytes)
    if (status === 200 && body !== undefined) return body
    throw unavailable(source, status === 200 ? 'are too large' : 'are answered with another status than 200', status)
  } catch (cause) {
    throw cause instanceof MeshError ? cause : unavailable(source, 'cannot be fetched', undefined, cause)
  } finally {
    deadline.cancel()
    connection.close()
  }
}

async function readIfSet(file: string): Promise<string | undefined> {
  return file === '' ? undefined : readFile(file, 'utf8')
}

function unavailable(source: KeySource, what: string, status?: number, cause?: unknown): MeshError {
  const fields = { url: source.jwksUrl, ...(status === undefined ? {} : { status }) }
  return new MeshError('WEFT_REGISTRY_UNAVAILABLE', `keys of evidence ${what}`, { fields, cause })
}
