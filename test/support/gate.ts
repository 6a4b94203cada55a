import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP relay on a port of 127.0.0.1 that can be shut: what is open is cut, and newcomers are hung up on. */
export interface Gate {
  readonly port: number
  shut(): void
  open(): void
  stop(): Promise<void>
}

/** Relays to a port of 127.0.0.1, open at first. */
export async function startGate(to: number): Promise<Gate> {
  const sockets = new Set<Socket>()
  let passes = true
  const keep = (socket: Socket, other: () => Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      other().destroy()
    })
  }
  const server = createServer(inner => {
    if (!passes) return void inner.destroy()
    const outer = connect(to, '127.0.0.1')
    keep(inner, () => outer)
    keep(outer, () => inner)
    inner.pipe(outer).pipe(inner)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    shut() {
      passes = false
      cut()
    },
    open() {
      passes = true
    },
    async stop() {
      const closed = once(server, 'close')
      server.close()
      cut()
      await closed
    },
  }
}
