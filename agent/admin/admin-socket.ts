import { lstat, mkdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Running } from '../../mesh/std/lifecycle.ts'
import type { Registrations } from '../registration/registrations.ts'
import { closeServer, createHttpServer, listening } from './http.ts'
import { type IdentityRouteDeps, identityRoute } from './identity-route.ts'
import { registrationRoutes } from './registration-routes.ts'
import type { AgentStatus } from './status.ts'

export interface AdminDeps extends IdentityRouteDeps {
  status(): AgentStatus
  /** The config in use; undefined before the first. */
  config(): unknown
  /** Begins to end the agent in good order; returns at once. */
  drain(): void
  readonly registrations: Pick<Registrations, 'register' | 'deregister' | 'maintain'>
}

/**
 * Opens the admin socket: HTTP on a unix socket that only its owner can connect to, the one place where an agent can
 * be told something. `GET /status`, `GET /config`, `POST /drain`, and those of {@link registrationRoutes} and
 * {@link identityRoute}. Throws WEFT_LISTEN when another agent holds it.
 */
export async function startAdminSocket(deps: AdminDeps, path: string): Promise<Running> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 })
  await refuseSecondAgent(path)
  const server = createHttpServer({
    'GET /status': () => ({ status: 200, body: deps.status() }),
    'GET /config': () => {
      const config = deps.config()
      return config === undefined
        ? { status: 503, body: { error: 'no config yet' } }
        : { status: 200, body: sorted(config) }
    },
    'POST /drain': () => {
      deps.drain()
      return { status: 202, body: { draining: true } }
    },
    ...identityRoute(deps),
    ...registrationRoutes(deps.registrations),
  })
  // The socket is made inside listen(), with these rights from its first moment on: a chmod would come too late.
  const before = process.umask(0o177)
  const started = listening(server, () => server.listen(path), path)
  process.umask(before)
  await started
  return { addresses: { admin: path }, stop: () => closeServer(server) }
}

/**
 * Throws WEFT_LISTEN when an agent answers on this socket: a second one would share its ports and undo its rules. A
 * socket file that nobody listens on is the leftover of a crash and is removed.
 */
export async function refuseSecondAgent(path: string): Promise<void> {
  const state = await new Promise<'absent' | 'stale' | 'live'>(resolve => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve('live')
    })
    probe.once('error', error => resolve('code' in error && error.code === 'ENOENT' ? 'absent' : 'stale'))
  })
  if (state === 'live') {
    throw new MeshError('WEFT_LISTEN', 'another agent is running on this host', {
      fields: { adminSocket: path },
      next: 'stop it first, or give this one its own adminSocket, stateDir and ports',
    })
  }
  if (state === 'stale' && (await lstat(path)).isSocket()) await rm(path)
}

/** The same value with the keys of all objects in order, so that two agents can be compared line by line. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, child]) => [key, sorted(child)]))
}
