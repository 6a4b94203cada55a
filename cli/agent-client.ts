import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { loadAgentSettings } from '../agent/config.ts'
import { MeshError } from '../mesh/std/errors.ts'
import { type ApiClient, refusal } from './api-client.ts'

/** The admin socket of this host's agent. Refusals are thrown as the agent worded them. */
export type AgentClient = Pick<ApiClient, 'get' | 'post'>

/** Which agent: its configuration file, or its socket. */
export interface AgentOptions {
  readonly config?: string
  readonly adminSocket?: string
}

const timeoutMs = 15_000

/**
 * A client of the agent's admin socket, found as the agent itself finds it: flag, environment, configuration file,
 * default. Its methods throw WEFT_AGENT_UNREACHABLE when no agent answers there.
 */
export function connectAgent(options: AgentOptions, env: Readonly<Record<string, string | undefined>>): AgentClient {
  const flags: Readonly<Record<string, string>> =
    options.adminSocket === undefined ? {} : { 'admin-socket': options.adminSocket }
  const { adminSocket } = loadAgentSettings({ file: options.config, env, flags })
  return {
    get: path => call(adminSocket, 'GET', path),
    post: (path, body) => call(adminSocket, 'POST', path, body),
  }
}

async function call<T>(socketPath: string, method: 'GET' | 'POST', path: string, body?: string): Promise<T> {
  const { status, answer } = await ask(socketPath, method, path, body).catch(cause => {
    throw new MeshError('WEFT_AGENT_UNREACHABLE', 'the agent of this host does not answer', {
      cause,
      fields: { adminSocket: socketPath },
    })
  })
  if (status !== 200) throw refusal(answer)
  return answer as T
}

async function ask(
  socketPath: string,
  method: string,
  path: string,
  body = '',
): Promise<{ readonly status: number; readonly answer: unknown }> {
  const signal = AbortSignal.timeout(timeoutMs)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = { 'content-length': Buffer.byteLength(body) }
    request({ socketPath, method, path, headers, agent: false, signal }, resolve).on('error', reject).end(body)
  })
  return { status: response.statusCode ?? 0, answer: JSON.parse(await text(response)) }
}
