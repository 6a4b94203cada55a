import { connect, createServer, type Server, type Socket } from 'node:net'
import { systemClock } from '../../mesh/std/clock.ts'
import { until } from './eventually.ts'
import { octetsOf, type ResponseCase } from './http1-cases.ts'
import { parseMessage, type WireMessage } from './http1-message.ts'

/** A backend that answers with the bytes of one case after another, and knows which of its connections were used. */
export class ResponseBackend {
  readonly server: Server
  /** What every request but that for `/probe` is answered with. */
  answer: ResponseCase | undefined
  /** The connections that requests came by, in order. */
  readonly used: Socket[] = []

  constructor() {
    this.server = createServer({ allowHalfOpen: true }, socket => {
      let bytes = ''
      socket.on('error', () => {})
      socket.on('end', () => socket.end())
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.toString('latin1')
        const request = parseMessage(bytes, { isRequest: true })
        if (request === undefined) return
        bytes = ''
        this.used.push(socket)
        const { answer } = this
        if (answer === undefined || request.startLine.includes(' /probe ')) {
          return void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
        }
        socket.write(octetsOf(answer.bytes))
        if (answer.close === true) socket.end()
      })
    })
  }

  async listen(): Promise<number> {
    await new Promise<void>(resolve => this.server.listen(0, '127.0.0.1', resolve))
    const address = this.server.address()
    if (address === null || typeof address === 'string') throw new Error('the backend has no port')
    return address.port
  }
}

/** What a caller got: informational responses, and the final one as far as it came. */
export interface Got {
  readonly interims: number
  readonly status: number
  readonly body: string
  readonly complete: boolean
}

/** Sends a case's request to the agent at `port`, and reads until the response is complete or the connection over. */
export function ask(port: number, path: string, { method = 'GET', upgrade }: Partial<ResponseCase>): Promise<Got> {
  return new Promise((resolve, reject) => {
    const fields = upgrade === true ? 'Connection: Upgrade\r\nUpgrade: websocket\r\n' : ''
    const socket = connect({ port, host: '127.0.0.1' })
    let bytes = ''
    let interims = 0
    const late = systemClock.timer(10_000, () => reject(new Error(`no end of ${bytes}`)))
    const settle = (got: Got) => {
      late.cancel()
      socket.destroy()
      resolve(got)
    }
    const look = (ended: boolean) => {
      for (;;) {
        const interim = /^HTTP\/1\.1 1(?!01)\d\d .*?\r\n\r\n/s.exec(bytes)?.[0]
        if (interim === undefined) break
        interims += 1
        bytes = bytes.slice(interim.length)
      }
      const message = parseMessage(bytes, { hasNoBody: method === 'HEAD' })
      const isTunnel = message?.startLine.includes(' 101 ') === true
      if (isTunnel && bytes.length > message.length) {
        return settle({ interims, status: 101, body: bytes.slice(message.length), complete: true })
      }
      if (message !== undefined && !isTunnel) return settle({ ...finalOf(message), interims, complete: true })
      if (ended) settle({ ...partOf(bytes), interims, complete: false })
    }
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.toString('latin1')
      look(false)
    })
    socket.on('close', () => look(true))
    socket.write(`${method} ${path} HTTP/1.1\r\nHost: web\r\n${fields}\r\n`)
  })
}

function finalOf({ startLine, body }: WireMessage): Pick<Got, 'status' | 'body'> {
  return { status: Number(startLine.split(' ')[1]), body }
}

/** A message that broke off: the status, and the body as it stands on the wire, without the sizes of chunks. */
function partOf(bytes: string): Pick<Got, 'status' | 'body'> {
  const headEnd = bytes.indexOf('\r\n\r\n')
  const body = headEnd < 0 ? '' : bytes.slice(headEnd + 4).replaceAll(/(?:^|\r\n)[0-9a-f]*\r\n|\r\n$/g, '')
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(bytes)?.[1] ?? 0), body }
}

/** What is wrong with what became of a case at the agent; undefined when nothing is. */
export async function judgeResponse(
  one: ResponseCase,
  backend: ResponseBackend,
  port: number,
): Promise<string | undefined> {
  backend.answer = one
  const got = await ask(port, '/', one)
  const [wanted = '', body = ''] = one.outcome.split(/ (.*)/s)
  const text = JSON.stringify(got)
  if (wanted !== 'reset') {
    if (!got.complete || got.status !== Number(wanted) || got.body !== body) return `wanted ${one.outcome}, got ${text}`
    if (got.interims !== (one.interims ?? 0)) return `wanted ${one.interims} informational responses, got ${text}`
  } else if (isOnlyBodyBad(one)) {
    // the head was on its way, or still waited: a caller must not take what came for all of it
    if (got.complete || !body.startsWith(got.body)) return `wanted what broke off after ${body}, got ${text}`
  } else if (!got.complete || (got.status !== 502 && got.status !== 503)) return `wanted 502 or 503, got ${text}`
  const connection = backend.used.at(-1)
  if (one.reusable !== true) {
    await until(`${one.name}: the backend's connection is closed`, () => connection?.destroyed === true)
    return undefined
  }
  await ask(port, '/probe', {})
  return backend.used.at(-1) === connection ? undefined : 'the connection was not used again'
}

function isOnlyBodyBad({ bytes }: ResponseCase): boolean {
  return /^HTTP\/1\.1 200 OK\r\n(?:transfer-encoding: chunked|content-length: 5)\r\n\r\n/.test(bytes)
}
