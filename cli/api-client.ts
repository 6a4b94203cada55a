import { readFileSync } from 'node:fs'
import { type ApiCall, callApi } from '../agent/control/first-contact.ts'
import { parseApiToken } from '../mesh/identity/api-token.ts'
import { systemClock } from '../mesh/std/clock.ts'
import { type ErrorCode, errorCatalogue } from '../mesh/std/error-catalogue.ts'
import { MeshError } from '../mesh/std/errors.ts'

/** The server's API. Answers are what this version's server says; refusals are thrown as the server worded them. */
export interface ApiClient {
  get<T>(path: string): Promise<T>
  post<T>(path: string, body: string): Promise<T>
  delete(path: string): Promise<void>
}

export interface ServerOptions {
  /** `host` or `host:port`. */
  readonly server?: string
  readonly tokenFile?: string
}

const defaultServer = '127.0.0.1:15443'
const defaultPort = 15443
/** Where a server on this machine keeps the token it made at its first start. */
const localTokenFile = '/var/lib/weft/server/admin-token'

/**
 * A client of the API. The token says who the operator is, and by its root hash who the server must be; it comes from
 * `--token-file`, `WEFT_TOKEN`, or a server's own file on this machine. Throws WEFT_UNAUTHENTICATED without one.
 */
export function connectApi(options: ServerOptions, env: Readonly<Record<string, string | undefined>>): ApiClient {
  const address = parseAddress(options.server ?? env.WEFT_SERVER ?? defaultServer)
  const token = readToken(options.tokenFile, env.WEFT_TOKEN)
  const contact = { ...address, rootHash: parseApiToken(token).rootHash }
  const call = async <T>(request: ApiCall): Promise<T> => {
    const { status, body } = await callApi(systemClock, contact, { ...request, token })
    if (status !== 200) throw refusal(body)
    return body as T
  }
  return {
    get: path => call({ method: 'GET', path }),
    post: (path, body) => call({ method: 'POST', path, body }),
    delete: async path => {
      await call({ method: 'DELETE', path })
    },
  }
}

function readToken(file: string | undefined, fromEnvironment: string | undefined): string {
  if (file === undefined && fromEnvironment !== undefined) return fromEnvironment.trim()
  const path = file ?? localTokenFile
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    const next =
      'give one with --token-file or in WEFT_TOKEN; a server’s first one is admin-token in its data directory'
    throw new MeshError('WEFT_UNAUTHENTICATED', `there is no API token in ${path}`, { cause, next })
  }
}

/** Splits `host:port`, `[v6]:port`, `host` or a bare IPv6 address; throws WEFT_USAGE. */
export function parseAddress(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, name, portText] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = bracketed ?? name ?? (text.split(':').length > 2 ? text : undefined)
  const port = portText === undefined ? defaultPort : Number(portText)
  if (host !== undefined && port > 0 && port < 65536) return { host, port }
  throw new MeshError('WEFT_USAGE', `${text} is no server address`, { next: 'write host or host:port' })
}

/** The error that an answer of the API, or of an agent, carries; the same shape for both. */
export function refusal(body: unknown): MeshError {
  const { code, message, next, fields } = (typeof body === 'object' && body !== null ? body : {}) as Record<
    string,
    unknown
  >
  const known = typeof code === 'string' && Object.hasOwn(errorCatalogue, code)
  return new MeshError(
    known ? (code as ErrorCode) : 'WEFT_SERVER_UNREACHABLE',
    typeof message === 'string' ? message : 'the answer is not one that this version understands',
    {
      ...(typeof next === 'string' && { next }),
      ...(typeof fields === 'object' && fields !== null && { fields: { ...fields } }),
    },
  )
}
