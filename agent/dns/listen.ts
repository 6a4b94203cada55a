import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Clock, Timer } from '../../mesh/std/clock.ts'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { Upstream } from './exchange.ts'
import { maxQueryBytes } from './message.ts'
import { frame, readFrames } from './tcp-frames.ts'

/** Answers one message; undefined means silence. Never throws. */
export type Answerer = (message: Buffer, protocol: 'udp' | 'tcp') => Promise<Buffer | undefined>

export interface DnsListener {
  /** The port of both protocols; 0 when the host has no such address family and nothing was opened. */
  readonly port: number
  stop(): Promise<void>
}

/** A connection may be idle for this long, and take this long for each query it begins. */
const idleMs = 10_000
const maxConnections = 256
/** Queries of one connection that may wait for answers before we stop reading from it. */
const maxPipelined = 32

/** Opens one address over UDP and TCP. Throws `WEFT_LISTEN` when its port is taken. */
export async function listenDns(
  at: Upstream,
  answer: Answerer,
  deps: { readonly log: Log; readonly clock: Clock },
): Promise<DnsListener> {
  for (let attempt = 1; ; attempt += 1) {
    const udp = at.host.includes(':') ? createSocket({ type: 'udp6', ipv6Only: true }) : createSocket('udp4')
    const tcp = createServer({ noDelay: true })
    try {
      udp.bind(at.port, at.host)
      await once(udp, 'listening')
      const { port } = udp.address()
      tcp.listen({ host: at.host, port, ipv6Only: true })
      await once(tcp, 'listening')
      return serve(udp, tcp, answer, deps)
    } catch (error) {
      close(udp, tcp)
      const { code } = error as NodeJS.ErrnoException
      // a port that is free for UDP may be taken for TCP: draw another one where any will do
      if (code === 'EADDRINUSE' && at.port === 0 && attempt < 10) continue
      if (code === 'EAFNOSUPPORT' || (code === 'EADDRNOTAVAIL' && at.host === '::1')) {
        deps.log.warn('this host has no such address, its DNS listener is left out', { ...at })
        return { port: 0, stop: async () => {} }
      }
      throw new MeshError('WEFT_LISTEN', 'the DNS port could not be opened', {
        fields: { ...at, reason: describeError(error) },
        cause: error,
      })
    }
  }
}

function serve(udp: UdpSocket, tcp: Server, answer: Answerer, deps: { log: Log; clock: Clock }): DnsListener {
  const { port } = tcp.address() as AddressInfo
  const open = new Set<Socket>()
  let ended = false
  udp.on('message', (message: Buffer, from: RemoteInfo) => {
    // port 0 cannot be answered, and a UDP service that answers it is a way to provoke errors
    if (from.port === 0) return
    void answer(message, 'udp').then(reply => {
      if (reply !== undefined && !ended) udp.send(reply, from.port, from.address, () => {})
    })
  })
  udp.on('error', error => deps.log.warn('a DNS socket reported an error', { port, error: describeError(error) }))
  tcp.on('connection', socket => {
    if (open.size >= maxConnections) return void socket.destroy()
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    serveConnection(socket, answer, deps.clock)
  })
  return {
    port,
    async stop() {
      if (ended) return
      ended = true
      for (const socket of open) socket.destroy()
      await Promise.all([
        new Promise<void>(done => tcp.close(() => done())),
        new Promise<void>(done => udp.close(done)),
      ])
    },
  }
}

/** One TCP client: queries may be pipelined, answers go out as they come (RFC 7766). */
function serveConnection(socket: Socket, answer: Answerer, clock: Clock): void {
  const frames = readFrames(maxQueryBytes)
  let waiting = 0
  let timer: Timer | undefined
  const expectSoon = () => {
    timer?.cancel()
    timer = clock.timer(idleMs, () => socket.destroy())
  }
  expectSoon()
  socket.on('error', () => {})
  socket.on('close', () => timer?.cancel())
  socket.on('data', (chunk: Buffer) => {
    const messages = frames(chunk)
    if (messages === undefined) return void socket.destroy()
    for (const message of messages) {
      waiting += 1
      if (waiting >= maxPipelined) socket.pause()
      void answer(message, 'tcp').then(reply => {
        waiting -= 1
        if (socket.destroyed) return
        expectSoon()
        if (reply !== undefined) socket.write(frame(reply))
        if (waiting < maxPipelined && socket.isPaused()) socket.resume()
      })
    }
  })
}

function close(udp: UdpSocket, tcp: Server): void {
  try {
    udp.close()
  } catch {
    // it never was open
  }
  tcp.close()
}
