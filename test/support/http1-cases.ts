import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { systemClock } from '../../mesh/std/clock.ts'

/** One row of test/fixtures/http1: what a client sends, and what must come of it. */
export interface RequestCase {
  readonly name: string
  /** The class of the threat model, list `a` or `b` of it, or what else it is about. */
  readonly class: string
  /** An octet a character; `{{x*100}}` stands for a hundred times `x`. */
  readonly bytes: string
  /** Every request of it is served; or it is answered with this status and the connection closes; or it just closes. */
  readonly expect: 'accept' | 'close' | number
  /** What the backend gets, canonically written; with a refusal, what it gets before that. */
  readonly forwarded?: string
}

/** All cases of the folder, by file. */
export function requestCases(): ReadonlyMap<string, readonly RequestCase[]> {
  const folder = join(import.meta.dirname, '../fixtures/http1')
  const names = readdirSync(folder).filter(name => name.endsWith('.json'))
  return new Map(names.map(name => [name.slice(0, -5), JSON.parse(readFileSync(join(folder, name), 'utf8'))]))
}

/** One row of test/fixtures/http1/responses: what a server answers, and what the request path is told. */
export interface ResponseCase {
  readonly name: string
  readonly bytes: string
  /** The status and what came of the body; or `reset` and what had come by then. */
  readonly outcome: string
  readonly reusable?: boolean
  readonly method?: string
  /** The server closes its side after the bytes. */
  readonly close?: boolean
  /** The request asks for an upgrade to websocket. */
  readonly upgrade?: boolean
  readonly interims?: number
}

export function responseCases(): readonly ResponseCase[] {
  const file = join(import.meta.dirname, '../fixtures/http1/responses/responses.json')
  return JSON.parse(readFileSync(file, 'utf8'))
}

/** The octets that a text of a case stands for. */
export function octetsOf(text: string): Buffer {
  const whole = text.replaceAll(/\{\{(.)\*(\d+)\}\}/g, (_, character: string, times: string) =>
    character.repeat(Number(times)),
  )
  return Buffer.from(whole, 'latin1')
}

/** What stands behind the subject: it keeps every request that came to it completely, in order, as bytes. */
export interface BackendRecorder {
  requests(): readonly string[]
  /** Forgets what has come so far. */
  clear(): void
}

/** How two recordings are compared: exactly, unless the subject adds fields of its own. */
export type Compare = (got: string, wanted: string) => boolean

export interface CaseFailure {
  readonly file: string
  readonly name: string
  readonly problem: string
}

/**
 * Runs every case against a subject: `connect` opens a connection to it, and it sends what it accepts to the recorded
 * backend. Returns the cases that came out differently; `expected` may change what is expected of a case.
 */
export async function runRequestCases(
  connect: () => Promise<Socket>,
  backend: BackendRecorder,
  compare: Compare = (got, wanted) => got === wanted,
  expected: (one: RequestCase) => RequestCase = one => one,
): Promise<CaseFailure[]> {
  const failures: CaseFailure[] = []
  for (const [file, cases] of requestCases()) {
    for (const one of cases.map(expected)) {
      const problem = await runCase(one, await connect(), backend, compare)
      if (problem !== undefined) failures.push({ file, name: one.name, problem })
    }
  }
  return failures
}

async function runCase(
  one: RequestCase,
  socket: Socket,
  backend: BackendRecorder,
  compare: Compare,
): Promise<string | undefined> {
  backend.clear()
  const parts: Buffer[] = []
  let closed = false
  let look = () => {}
  const answer = () => Buffer.concat(parts).toString('latin1')
  const onClosed = () => {
    closed = true
    look()
  }
  socket.on('data', (chunk: Buffer) => {
    parts.push(chunk)
    look()
  })
  socket.on('error', () => {})
  socket.on('end', onClosed)
  socket.on('close', onClosed)
  socket.write(octetsOf(one.bytes))
  // a client that breaks off says so
  if (one.expect === 'close') socket.end()
  const wanted = splitRequests(octetsOf(one.forwarded ?? '').toString('latin1'))
  const statuses = () => [...answer().matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(match => Number(match[1]))
  try {
    await new Promise<void>((resolve, reject) => {
      const late = systemClock.timer(10_000, () => reject(new Error('not yet: the answer')))
      look = () => {
        const complete = one.expect === 'accept' && statuses().filter(status => status >= 200).length >= wanted.length
        if (!closed && !complete) return
        late.cancel()
        resolve()
      }
      look()
    })
    const got = backend.requests()
    const same = got.length === wanted.length && got.every((request, index) => compare(request, wanted[index] ?? ''))
    if (!same) return `the backend got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`
    const expected = wanted.map(() => 200)
    if (typeof one.expect === 'number') expected.push(one.expect)
    const final = statuses().filter(status => status >= 200)
    return String(final) === String(expected) ? undefined : `answered ${final}, wanted ${expected}`
  } catch (error) {
    return `${String(error)}; so far ${JSON.stringify(answer().slice(0, 300))}`
  } finally {
    socket.destroy()
  }
}

/** The requests in canonical bytes; what is not complete is left out. */
export function splitRequests(bytes: string): string[] {
  const requests: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = endOfRequest(bytes, at)
    if (end === undefined) break
    requests.push(bytes.slice(at, end))
    at = end
  }
  return requests
}

function endOfRequest(bytes: string, from: number): number | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n', from)
  if (headEnd < 0) return undefined
  const head = bytes.slice(from, headEnd + 2).toLowerCase()
  let at = headEnd + 4
  const length = /\r\ncontent-length: (\d+)\r\n/.exec(head)
  if (length !== null) at += Number(length[1])
  else if (head.includes('\r\ntransfer-encoding: chunked\r\n')) {
    for (;;) {
      const sizeEnd = bytes.indexOf('\r\n', at)
      if (sizeEnd < 0) return undefined
      const size = Number.parseInt(bytes.slice(at, sizeEnd), 16)
      at = sizeEnd + 2
      if (size === 0) {
        const end = bytes.startsWith('\r\n', at) ? at : bytes.indexOf('\r\n\r\n', at) + 2
        at = end + 2
        break
      }
      at += size + 2
    }
  }
  return at <= bytes.length ? at : undefined
}

/** A backend on a port of loopback that records, and answers every complete request with an empty 200. */
export async function recordingBackend(): Promise<
  BackendRecorder & { readonly server: Server; readonly port: number }
> {
  const requests: string[] = []
  const server = createServer(socket => {
    let bytes = ''
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.toString('latin1')
      for (const request of splitRequests(bytes)) {
        requests.push(request)
        bytes = bytes.slice(request.length)
        const length = request.startsWith('HEAD ') ? '' : 'content-length: 0\r\n'
        socket.write(`HTTP/1.1 200 OK\r\n${length}\r\n`)
      }
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the backend has no port')
  return {
    server,
    port: address.port,
    requests: () => requests.slice(),
    clear: () => {
      requests.length = 0
    },
  }
}
