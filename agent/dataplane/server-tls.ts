import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { ServerTls } from '../../mesh/routing/ingress.ts'
import type { Clock } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import { ConnectionLimit } from './connection-limit.ts'
import { endsOf } from './telemetry/facts.ts'

/** How long files are believed to be what they were. */
const freshMs = 30_000
const handshakeTimeoutMs = 10_000
/** Handshakes that are under way at once, in all and of one address: each costs a signature. */
const maxHandshakes = 1_000
const maxHandshakesPerSource = 100

/** What is inside of a caller's TLS, or why there is nothing; `isOwn` when this host's files are the reason. */
export type Secured =
  | { readonly kind: 'secured'; readonly socket: Socket; readonly serverName: string }
  | { readonly kind: 'failed'; readonly isOwn: boolean; readonly detail: string }

interface Kept {
  readonly server: Server
  readonly at: number
}

/**
 * TLS of callers outside the mesh that ends at a port. Files are read again after half a minute, so that renewed ones are
 * used from then on; while new ones cannot be used, those before them are.
 */
export class ServerTlsHandshakes {
  readonly #clock: Clock
  readonly #servers = new Map<string, Kept>()
  readonly #limit = new ConnectionLimit(maxHandshakes, maxHandshakesPerSource)
  /** Who waits, by both ends of the connection. */
  readonly #underWay = new Map<string, (secured: Secured) => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Shakes hands with a caller of whom nothing was read yet. `done` is called once. */
  accept(socket: Socket, tls: ServerTls, done: (secured: Secured) => void): void {
    const server = this.#serverOf(tls)
    if (typeof server === 'string') return done({ kind: 'failed', isOwn: true, detail: server })
    const source = socket.remoteAddress
    if (!this.#limit.take(source)) {
      return done({ kind: 'failed', isOwn: false, detail: 'too many TLS handshakes are under way' })
    }
    const ends = endsOf(socket)
    let over = false
    const finish = (secured: Secured) => {
      if (over) return
      over = true
      // one that was lost may be told of only after the next one with the same ends has come
      if (this.#underWay.get(ends) === finish) this.#underWay.delete(ends)
      this.#limit.release(source)
      done(secured)
    }
    this.#underWay.set(ends, finish)
    socket.once('close', () => finish({ kind: 'failed', isOwn: false, detail: 'closed during the handshake' }))
    server.emit('connection', socket)
  }

  /** What shakes hands, or why nothing can. */
  #serverOf(tls: ServerTls): Server | string {
    const key = JSON.stringify(tls)
    const known = this.#servers.get(key)
    const now = this.#clock.monotonic()
    if (known !== undefined && now - known.at < freshMs) return known.server
    try {
      const server = this.#createServer(tls)
      this.#servers.set(key, { server, at: now })
      return server
    } catch (error) {
      return known?.server ?? describeError(error)
    }
  }

  #createServer(tls: ServerTls): Server {
    const server = createServer({
      cert: readFileSync(tls.serverCertificate),
      key: readFileSync(tls.privateKey),
      minVersion: tls.minVersion,
      maxVersion: tls.maxVersion,
      handshakeTimeout: handshakeTimeoutMs,
      requestCert: tls.callers !== 'any',
      rejectUnauthorized: tls.callers === 'known',
      ...(tls.caCertificates === '' ? {} : { ca: readFileSync(tls.caCertificates) }),
      ...(tls.caCrl === '' ? {} : { crl: readFileSync(tls.caCrl) }),
      ...(tls.ciphers === '' ? {} : { ciphers: tls.ciphers }),
      ...(tls.carriesHttp ? { ALPNProtocols: ['h2', 'http/1.1'] } : {}),
    })
    const finish = (socket: TLSSocket, secured: Secured) => this.#underWay.get(endsOf(socket))?.(secured)
    server.on('secureConnection', (socket: TLSSocket & { readonly servername?: string | false }) => {
      // until it is taken over; nothing that happens on a socket may end the thread
      socket.on('error', () => {})
      const isShown = socket.getPeerX509Certificate() !== undefined
      if (!isShown || socket.authorized)
        return void finish(socket, { kind: 'secured', socket, serverName: socket.servername || '' })
      const detail = `the caller's certificate is not believed: ${socket.authorizationError}`
      finish(socket, { kind: 'failed', isOwn: false, detail })
    })
    server.on('tlsClientError', (error, socket) => {
      finish(socket, { kind: 'failed', isOwn: false, detail: describeError(error) })
      socket.destroy()
    })
    return server
  }
}
