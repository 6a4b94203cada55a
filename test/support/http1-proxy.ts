import { connect, createServer, type Server } from 'node:net'
import type { HeaderList, HttpStream } from '../../agent/dataplane/http/stream.ts'
import { Http1ClientConnection } from '../../agent/dataplane/http1/client-connection.ts'
import { Http1ServerConnection } from '../../agent/dataplane/http1/server-connection.ts'
import type { Http1Problem } from '../../agent/dataplane/http1/violations.ts'
import { systemClock } from '../../mesh/std/clock.ts'

const cancel = 8
const badGateway = ['502', 'content-length', '0'] as const

/**
 * The codec on both sides and nothing in between: every request goes to the backend on a connection of its own, or on
 * the client's one as long as that can be reused.
 */
export function codecProxy(backendPort: number, refused: (problem: Http1Problem) => void = () => {}): Server {
  return createServer({ allowHalfOpen: true }, socket => {
    let kept: Http1ClientConnection | undefined
    const connection = new Http1ServerConnection(socket, { clock: systemClock, refused })
    connection.onStream = (stream, headers, endStream) => {
      if (kept === undefined || !kept.canOpen()) {
        kept?.destroy('not reusable')
        const upstream = connect({ port: backendPort, host: '127.0.0.1', allowHalfOpen: true })
        kept = new Http1ClientConnection(upstream, { clock: systemClock })
      }
      const up = kept.open(headers, endStream)
      if (up === undefined) throw new Error('the new connection took no request')
      relay(stream, up)
    }
    connection.onClose = () => kept?.destroy('the client is gone')
  })
}

function relay(down: HttpStream, up: HttpStream): void {
  let answered = false
  let over = false
  pipe(down, up)
  pipe(up, down)
  down.onHeaders = (trailers: HeaderList) => up.respond(trailers, true)
  down.onReset = () => {
    over = true
    up.reset(cancel)
  }
  up.onHeaders = (headers, endStream) => {
    answered ||= headers[1] === '101' || (headers[1] ?? '') >= '200'
    down.respond(headers, endStream)
  }
  up.onReset = () => {
    if (over) return
    if (answered) down.reset(cancel)
    else down.respond([':status', ...badGateway], true)
  }
}

function pipe(from: HttpStream, to: HttpStream): void {
  let owed = 0
  from.onData = chunk => {
    if (to.write(chunk)) from.consumed(chunk.length)
    else owed += chunk.length
  }
  to.onDrain = () => {
    from.consumed(owed)
    owed = 0
  }
  from.onEnd = () => to.end()
}
