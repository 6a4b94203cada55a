import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Server, ServerCredentials, type ServerWritableStream, status } from '@grpc/grpc-js'
import type { Clock } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { workloadApiService } from '../../mesh/wire/workload-schema.ts'
import type { PeerProcess } from '../intercept/peer-credentials.ts'
import type { Grant, Grants } from './grants.ts'
import { x509BundlesResponse, x509SvidResponse } from './svids.ts'

export interface ConnectionDeps {
  readonly clock: Clock
  readonly log: Log
  readonly grants: Pick<Grants, 'revision' | 'of'>
}

/** One process's connection to the Workload API. */
export interface WorkloadConnection {
  /** Ends its streams as unavailable and closes it; it is cut a moment later. */
  stop(): Promise<void>
}

type Granted = Extract<Grant, { kind: 'granted' }>
type Call = ServerWritableStream<object, object>

/** How long a client has to read why its streams have ended. */
const closeAfterMs = 250
const maxRequestBytes = 64 * 1024
const maxStreams = 16

/**
 * Serves the Workload API to one process. Each connection has a gRPC server of its own, so that no call can be taken
 * for another process's.
 */
export function serveConnection(deps: ConnectionDeps, socket: Socket, peer: PeerProcess): WorkloadConnection {
  const ending = new AbortController()
  const calls = new Set<Call>()
  const server = new Server({
    'grpc.max_receive_message_length': maxRequestBytes,
    'grpc.max_concurrent_streams': maxStreams,
    'grpc.enable_channelz': 0,
  })
  const stream = (answer: (granted: Granted) => object) => (call: Call) => {
    calls.add(call)
    const gone = new AbortController()
    call.once('cancelled', () => gone.abort())
    // After a status of ours nothing more can be said.
    call.on('error', () => gone.abort())
    serve(call, answer, AbortSignal.any([gone.signal, ending.signal]))
      .catch(error => {
        if (gone.signal.aborted || ending.signal.aborted) return
        deps.log.warn('a call of the Workload API failed', { uid: peer.uid, error: describeError(error) })
        refuse(call, status.INTERNAL, 'the agent could not answer this')
      })
      .finally(() => calls.delete(call))
  }
  server.addService(workloadApiService(), {
    FetchX509SVID: stream(({ credentials, trust }) => x509SvidResponse(credentials, trust)),
    FetchX509Bundles: stream(({ trust }) => x509BundlesResponse(trust)),
  })
  socket.once('close', () => {
    ending.abort()
    server.forceShutdown()
  })
  server.createConnectionInjector(ServerCredentials.createInsecure()).injectConnection(socket)

  async function serve(call: Call, answer: (granted: Granted) => object, signal: AbortSignal): Promise<void> {
    const marks = call.metadata.get('workload.spiffe.io')
    if (marks.length !== 1 || marks[0] !== 'true') {
      return refuse(call, status.INVALID_ARGUMENT, 'the metadata workload.spiffe.io: true is missing')
    }
    if (ending.signal.aborted) return refuse(call, status.UNAVAILABLE, 'the agent stops')
    let sent: string | undefined
    for await (const _ of deps.grants.revision.changes(signal)) {
      const grant = await deps.grants.of(peer)
      if (signal.aborted) return
      if (grant.kind === 'denied') {
        deps.log.info('a process has no identity', { ...peer })
        return refuse(call, status.PERMISSION_DENIED, 'no workload of this host is declared to be this process')
      }
      if (grant.kind === 'unavailable') {
        // What was sent before stays right until there is something newer.
        if (sent !== undefined) continue
        return refuse(call, status.UNAVAILABLE, 'the identity has no certificate yet')
      }
      const response = answer(grant)
      const fingerprint = JSON.stringify(response)
      if (fingerprint === sent) continue
      if (sent === undefined) {
        const identities = grant.credentials.map(({ identity }) => identity)
        deps.log.info('a process is given identities', { ...peer, identities })
      }
      sent = fingerprint
      if (!call.write(response)) await once(call, 'drain', { signal })
    }
  }

  return {
    async stop() {
      if (socket.destroyed) return
      const closed = new Promise<void>(resolve => socket.once('close', () => resolve()))
      // A session that is closed at once takes the statuses with it; a client that has its status mostly closes itself.
      const timer = deps.clock.timer(calls.size === 0 ? 0 : closeAfterMs, () => socket.destroy())
      for (const call of calls) refuse(call, status.UNAVAILABLE, 'the agent stops')
      ending.abort()
      await closed
      timer.cancel()
    },
  }
}

/** The library sends what is buffered first, then the status. */
function refuse(call: Call, code: status, details: string): void {
  call.emit('error', { code, details })
}
