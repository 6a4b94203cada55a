import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { H2Connection } from '../../agent/dataplane/h2/connection.ts'
import type { H2Stream, HeaderList } from '../../agent/dataplane/h2/stream.ts'
import type { Credential } from '../../agent/dataplane/messages.ts'
import { systemClock } from '../../mesh/std/clock.ts'

/** Another agent, or an attacker, played by a test: it does on an HBONE port whatever it is told to. */
export interface HbonePeer {
  readonly socket: TLSSocket
  /** Whether the other side has closed the connection, in whatever way. */
  readonly closed: () => boolean
  readonly goaways: number[]
  readonly connection: H2Connection
  /** Sends a CONNECT, or other headers, and keeps what comes back. */
  request(headers: HeaderList): Answer
}

export interface Answer {
  readonly stream: H2Stream
  readonly status: () => string | undefined
  readonly reset: () => boolean
  readonly text: () => string
}

export interface PeerOptions {
  readonly port: number
  readonly roots: readonly string[]
  readonly credential?: Credential
  readonly tls?: ConnectionOptions
}

/** Whom {@link dialHbone} asks for when nothing else is said. */
export const apiServerName = 'api.default.ns.mesh.local'

interface Teardown {
  teardown(stop: () => unknown): void
}

/** Makes the TLS handshake; resolves when this side of it is done, which in TLS 1.3 is before the server's verdict. */
export async function dialTls(t: Teardown, options: PeerOptions): Promise<TLSSocket> {
  const { port, roots, credential, tls } = options
  const socket = connect({
    host: '127.0.0.1',
    port,
    ...(credential !== undefined && { key: credential.key, cert: credential.chain }),
    ca: [...roots],
    servername: apiServerName,
    ALPNProtocols: ['h2'],
    checkServerIdentity: () => undefined,
    ...tls,
  })
  t.teardown(() => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed')))
    socket.once('secureConnect', resolve)
  })
  socket.on('error', () => {})
  return socket
}

/** Opens an HBONE session. */
export async function dialHbone(t: Teardown, options: PeerOptions): Promise<HbonePeer> {
  const socket = await dialTls(t, options)
  let closed = false
  const goaways: number[] = []
  socket.once('close', () => {
    closed = true
  })
  const connection = new H2Connection(socket, 'client', { clock: systemClock })
  connection.onGoaway = code => {
    goaways.push(code)
  }
  connection.onClose = () => {
    closed = true
  }
  return {
    socket,
    closed: () => closed,
    goaways,
    connection,
    request(headers) {
      const stream = connection.open(headers, false)
      if (stream === undefined) throw new Error('the session takes no more streams')
      let status: string | undefined
      let reset = false
      let text = ''
      stream.onHeaders = response => {
        status = response[response.indexOf(':status') + 1]
      }
      stream.onReset = () => {
        reset = true
      }
      stream.onData = chunk => {
        text += chunk.toString('latin1')
        stream.consumed(chunk.length)
      }
      return { stream, status: () => status, reset: () => reset, text: () => text }
    },
  }
}
