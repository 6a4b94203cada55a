import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { Duplex } from 'node:stream'

/** What a parser takes bytes for: what could be smuggled past another one would differ in this. */
export interface ParsedRequest {
  readonly method: string
  readonly target: string
  readonly host: string
  readonly framing: string
  readonly body: string
}

/** A socket whose other side is the test: what is written is kept. */
export class HeldSocket extends Duplex {
  written: Buffer[] = []

  constructor() {
    super({ allowHalfOpen: true })
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.written.push(Buffer.from(chunk))
    done()
  }
  override _read(): void {}
  // what http.Server does to a socket
  setTimeout(): this {
    return this
  }
  setNoDelay(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }
}

/** What node:http (llhttp) reads in the bytes, and the error it ends with, if there is one. */
export async function parsedByNode(bytes: Buffer): Promise<{ requests: ParsedRequest[]; error: string | undefined }> {
  const requests: ParsedRequest[] = []
  let error: string | undefined
  const server = http.createServer({ keepAliveTimeout: 0, maxHeaderSize: 128 * 1024 })
  const take = (request: http.IncomingMessage) => {
    const { headers } = request
    const record = { body: '' }
    const index = requests.push({
      method: request.method ?? '',
      target: request.url ?? '',
      host: headers.host ?? '',
      framing: framingOf(headers['content-length'], headers['transfer-encoding']),
      body: '',
    })
    request.on('data', (chunk: Buffer) => {
      record.body += chunk.toString('latin1')
      requests[index - 1] = { ...requests[index - 1]!, body: record.body }
    })
  }
  const answer = (request: http.IncomingMessage, response: http.ServerResponse) => {
    take(request)
    response.end()
  }
  server.on('request', answer)
  server.on('checkContinue', answer)
  server.on('checkExpectation', answer)
  server.on('upgrade', take)
  server.on('connect', take)
  server.on('clientError', problem => {
    error = problem.message
  })
  server.maxHeadersCount = 0
  const socket = new HeldSocket()
  server.emit('connection', socket)
  socket.push(bytes)
  for (let turn = 0; turn < 4; turn += 1) await new Promise(resolve => setImmediate(resolve))
  socket.destroy()
  return { requests, error }
}

function framingOf(length: string | undefined, coding: string | undefined): string {
  return `${length ?? 'none'}/${coding ?? 'none'}`
}

interface PythonRequest {
  readonly method: string
  readonly target: string
  readonly host: readonly string[]
  readonly length: readonly string[]
  readonly coding: readonly string[]
  readonly body: string
  readonly error?: unknown
}

/** Python's http.server, started once. */
export class PythonParser {
  readonly #process: ChildProcessWithoutNullStreams
  readonly #lines: Interface

  constructor() {
    this.#process = spawn('python3', [join(import.meta.dirname, 'http1-python.py')])
    this.#lines = createInterface(this.#process.stdout)
  }

  async parse(bytes: Buffer): Promise<{ requests: ParsedRequest[]; error: string | undefined }> {
    const prefix = Buffer.alloc(4)
    prefix.writeUInt32BE(bytes.length)
    this.#process.stdin.write(Buffer.concat([prefix, bytes]))
    const [line] = (await once(this.#lines, 'line')) as [string]
    const seen = JSON.parse(line) as readonly PythonRequest[]
    const requests = seen
      .filter(({ error }) => error === undefined)
      .map(({ method, target, host, length, coding, body }) => ({
        method,
        target,
        host: host.join('|'),
        framing: framingOf(length.length === 0 ? undefined : length.join('|'), coding.join('|') || undefined),
        body,
      }))
    const error = seen.find(one => one.error !== undefined)?.error
    return { requests, error: error === undefined ? undefined : String(error) }
  }

  stop(): void {
    this.#process.kill()
  }
}
