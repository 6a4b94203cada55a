import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

/**
 * Breaks a connection off by RST, whatever state it is in. Node cannot reset a socket whose FIN it is just about to
 * send: it then forgets the socket without closing its descriptor, and its thread never ends. The FIN goes out within
 * the turn, so the reset waits for that.
 */
export function resetSocket(socket: Duplex): void {
  if (socket.destroyed) return
  // Node resets bare sockets only; a peer of TLS sees that its end was not said, and a tunnel resets its stream
  if (socket instanceof TLSSocket || !(socket instanceof Socket)) return void socket.destroy()
  const ending = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0
  if (!ending) socket.resetAndDestroy()
  else {
    socket.once('finish', () => {
      if (!socket.destroyed) socket.resetAndDestroy()
    })
  }
}
