import { mkdir } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { dirname } from 'node:path'
import type { Clock } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Running } from '../../mesh/std/lifecycle.ts'
import type { Log } from '../../mesh/std/log.ts'
import { refuseSecondAgent } from '../admin/admin-socket.ts'
import { type PeerProcess, peerProcess } from '../intercept/peer-credentials.ts'
import { serveConnection, type WorkloadConnection } from './connection.ts'
import type { EntitlementFacts } from './entitlement.ts'
import { followGrants, type GrantSources } from './grants.ts'

export interface WorkloadApiDeps extends GrantSources {
  readonly clock: Clock
  readonly log: Log
  readonly facts: EntitlementFacts
  /** Who is behind a connection; the kernel's own account when left out. */
  peerOf?(socket: Socket): PeerProcess | undefined
}

const maxConnections = 512
const maxConnectionsOfUser = 64

/**
 * Opens the SPIFFE Workload API (SPIFFE_Workload_API.md) on a unix socket that every process may connect to: what it is
 * given depends on who it is by the kernel's account when it connects. Throws WEFT_LISTEN.
 */
export async function startWorkloadApi(deps: WorkloadApiDeps, path: string): Promise<Running> {
  const { log, peerOf = peerOfSocket } = deps
  await mkdir(dirname(path), { recursive: true, mode: 0o755 })
  await refuseSecondAgent(path)
  const grants = followGrants(deps, deps.facts)
  const connections = new Map<WorkloadConnection, number>()
  const server = createServer(socket => {
    socket.on('error', () => {})
    const peer = peerOf(socket)
    if (peer === undefined) {
      log.info('a process that cannot be told was turned away', { socket: path })
      return socket.destroy()
    }
    if ([...connections.values()].filter(uid => uid === peer.uid).length >= maxConnectionsOfUser) {
      return socket.destroy()
    }
    const connection = serveConnection({ ...deps, grants }, socket, peer)
    connections.set(connection, peer.uid)
    socket.once('close', () => connections.delete(connection))
  })
  server.maxConnections = maxConnections
  await listen()

  async function listen(): Promise<void> {
    // The socket is made inside listen(), with these rights from its first moment on.
    const before = process.umask(0o111)
    const listening = new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
    process.umask(before)
    try {
      await listening
    } catch (cause) {
      grants.stop()
      throw new MeshError('WEFT_LISTEN', 'cannot open the socket of the Workload API', {
        cause,
        fields: { socket: path },
        next: 'check workloadApi.socket and the rights of its directory',
      })
    }
    // Later errors are those of single accepts; the next one succeeds or fails on its own.
    server.removeAllListeners('error')
    server.on('error', () => {})
  }

  return {
    addresses: { workloadApi: path },
    async stop() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      await Promise.all([...connections.keys()].map(connection => connection.stop()))
      await closed
      grants.stop()
    },
  }
}

function peerOfSocket(socket: Socket): PeerProcess | undefined {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } | null }
  const fd = handle?.fd
  return fd === undefined || fd < 0 ? undefined : peerProcess(fd)
}
