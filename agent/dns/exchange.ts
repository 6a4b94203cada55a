import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { answersQuery } from './message.ts'
import { frame, readFrames } from './tcp-frames.ts'

/** A name server to ask. */
export interface Upstream {
  readonly host: string
  readonly port: number
}

/**
 * Asks one server over UDP and gives its answer. Each question has a socket, and so a source port, of its own, and
 * takes only what comes from that server with the right id and question. Throws when the server is not reachable or
 * the signal aborts.
 */
export function exchangeUdp(upstream: Upstream, query: Buffer, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(upstream.host.includes(':') ? 'udp6' : 'udp4')
    const end = settle(signal, () => socket.close(), resolve, reject)
    socket.on('error', end.fail)
    socket.on('message', (answer: Buffer) => {
      // something else under our port is a forgery or a late answer: go on waiting for the real one
      if (answersQuery(answer, query)) end.done(answer)
    })
    // connected, so the kernel drops what other addresses send and tells us when nobody listens there
    socket.once('connect', () => {
      socket.send(query, sendError => {
        if (sendError) end.fail(sendError)
      })
    })
    socket.connect(upstream.port, upstream.host)
  })
}

/** Asks one server over TCP (RFC 7766), one connection a question. Throws as {@link exchangeUdp} does. */
export function exchangeTcp(upstream: Upstream, query: Buffer, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: upstream.host, port: upstream.port, noDelay: true })
    const end = settle(signal, () => socket.destroy(), resolve, reject)
    socket.on('error', end.fail)
    socket.on('close', () => end.fail(new Error('the server closed the connection')))
    const frames = readFrames(0xffff)
    socket.on('data', (chunk: Buffer) => {
      const answer = frames(chunk)?.find(message => answersQuery(message, query))
      if (answer !== undefined) end.done(answer)
    })
    socket.write(frame(query))
  })
}

interface End {
  done(answer: Buffer): void
  fail(error: Error): void
}

/** The first outcome counts, and whichever it is closes the socket. */
function settle(
  signal: AbortSignal,
  close: () => void,
  resolve: (answer: Buffer) => void,
  reject: (error: Error) => void,
): End {
  let over = false
  const finish = (report: () => void) => {
    if (over) return
    over = true
    signal.removeEventListener('abort', abort)
    close()
    report()
  }
  const abort = () => finish(() => reject(new Error('no answer in time')))
  signal.addEventListener('abort', abort)
  if (signal.aborted) queueMicrotask(abort)
  return { done: answer => finish(() => resolve(answer)), fail: error => finish(() => reject(error)) }
}
