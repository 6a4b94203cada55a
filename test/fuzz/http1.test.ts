import http from 'node:http'
import fc from 'fast-check'
import t from 'tap'
import { Http1ClientConnection } from '../../agent/dataplane/http1/client-connection.ts'
import { Http1ServerConnection } from '../../agent/dataplane/http1/server-connection.ts'
import { FakeClock } from '../fakes/clock.ts'
import { octetsOf, requestCases } from '../support/http1-cases.ts'
import { HeldSocket, type ParsedRequest, PythonParser, parsedByNode } from '../support/http1-parsers.ts'

const clock = new FakeClock()
const knownMethods = new Set(http.METHODS)

/** What the codec makes of a client's bytes: the requests it takes whole, as it sees and as it writes them. */
interface Outcome {
  readonly requests: readonly ParsedRequest[]
  readonly written: Buffer
  readonly refused: readonly string[]
}

/** Feeds bytes in the given cuts to a fresh connection; every request is written anew, and answered when complete. */
function outcomeOf(bytes: Buffer, cuts: readonly number[]): Outcome {
  const requests: ParsedRequest[] = []
  const written: Buffer[] = []
  const refused: string[] = []
  const socket = new HeldSocket()
  const connection = new Http1ServerConnection(socket, { clock, refused: ({ code }) => refused.push(code) })
  connection.onStream = (stream, headers, endStream) => {
    const upstream = new HeldSocket()
    const client = new Http1ClientConnection(upstream, { clock })
    const up = client.open(headers, endStream)
    if (up === undefined) throw new Error('a new connection takes a request')
    let body = ''
    up.onReset = (_code, reason) => {
      throw new Error(`what was read could not be written: ${reason}`)
    }
    const complete = () => {
      const coding = up === undefined ? undefined : codingOf(headers, endStream)
      requests.push({
        method: headers[1] ?? '',
        target: headers[7] ?? '',
        host: headers[5] ?? '',
        framing: coding ?? '',
        body,
      })
      // the writer flushes at the end of a message, unless it waits for an upgrade
      written.push(...upstream.written)
      up.onReset = undefined
      client.destroy('done')
      stream.respond([':status', '200'], true)
    }
    stream.onData = chunk => {
      body += chunk.toString('latin1')
      up.write(Buffer.from(chunk))
      stream.consumed(chunk.length)
    }
    stream.onEnd = () => {
      up.end()
      complete()
    }
    stream.onReset = () => {
      up.onReset = undefined
      client.destroy('broken off')
    }
    if (endStream) complete()
    else if (headerOf(headers, 'upgrade') !== undefined) {
      stream.onEnd = undefined
      complete()
    }
  }
  let at = 0
  for (const cut of cuts) {
    if (at >= bytes.length) break
    connection.received(bytes.subarray(at, at + cut))
    at += cut
  }
  if (at < bytes.length) connection.received(bytes.subarray(at))
  connection.destroy('the test is over')
  return { requests, written: Buffer.concat(written), refused }
}

function codingOf(headers: readonly string[], endStream: boolean): string {
  const length = headerOf(headers, 'content-length')
  const method = headers[1] ?? ''
  if (headerOf(headers, 'upgrade') !== undefined) return 'none/none'
  if (length !== undefined) return `${length}/none`
  if (!endStream) return 'none/chunked'
  return ['POST', 'PUT', 'PATCH'].includes(method) ? '0/none' : 'none/none'
}

function headerOf(headers: readonly string[], name: string): string | undefined {
  const at = headers.findIndex((field, index) => index % 2 === 0 && field.toLowerCase() === name)
  return at < 0 ? undefined : headers[at + 1]
}

const cases = [...requestCases().values()].flat()
const accepted = cases.filter(({ expect }) => expect === 'accept').map(({ bytes }) => octetsOf(bytes))
const refused = cases.filter(({ expect }) => expect !== 'accept').map(({ bytes }) => octetsOf(bytes))
const short = ({ length }: Buffer) => length < 2000
const seed = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...accepted.filter(short)) },
  { weight: 1, arbitrary: fc.constantFrom(...refused.filter(short)) },
)

const pieces = [
  ...['\r\n', '\n', '\r', ' ', '\t', ':', ';', ',', '\0', '\x80', '\xff', '\v', '0', '5', 'a', '/', '#', '\\', '%'],
  ...['Transfer-Encoding: chunked\r\n', 'Content-Length: 5\r\n', 'Content-Length: 0\r\n', 'Host: other\r\n'],
  ...['0\r\n\r\n', '5\r\nhello\r\n', '\r\n\r\n', 'chunked', 'identity', 'HTTP/1.0', 'HTTP/1.1', 'http://web', '*'],
  ...['Connection: close\r\n', 'Connection: upgrade\r\nUpgrade: websocket\r\n', 'Expect: 100-continue\r\n', ', x'],
  ...['GET / HTTP/1.1\r\nHost: web\r\n\r\n', 'POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 3\r\n\r\nabc'],
].map(piece => Buffer.from(piece, 'latin1'))

const change = fc.record({
  kind: fc.constantFrom('insert', 'replace', 'cut', 'double', 'flip'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.integer({ min: 1, max: 12 }),
  piece: fc.constantFrom(...pieces),
})

/** Up to three inputs, most of them good, changed in up to three places. */
const input = fc
  .tuple(fc.array(seed, { minLength: 1, maxLength: 3 }), fc.array(change, { maxLength: 3 }))
  .map(([parts, changes]) => {
    let bytes = Buffer.concat(parts)
    for (const { kind, at, length, piece } of changes) {
      const place = Math.floor(at * bytes.length)
      const [before, within, after] = [
        bytes.subarray(0, place),
        bytes.subarray(place, place + length),
        bytes.subarray(place + length),
      ]
      if (kind === 'insert') bytes = Buffer.concat([before, piece, within, after])
      else if (kind === 'replace') bytes = Buffer.concat([before, piece, after])
      else if (kind === 'cut') bytes = Buffer.concat([before, after])
      else if (kind === 'double') bytes = Buffer.concat([before, within, within, after])
      else bytes = Buffer.from(bytes.map((value, index) => (index === place ? value ^ (1 << (length & 7)) : value)))
    }
    return bytes
  })

const lineEnd = Buffer.from('\n')
const runs = Number(process.env.FUZZ_RUNS ?? 3000)

t.test('whatever is taken and written anew is the same to node:http and to Python', async t => {
  const python = new PythonParser()
  t.teardown(() => python.stop())
  let compared = 0
  await fc.assert(
    fc.asyncProperty(input, async bytes => {
      const { requests, written } = outcomeOf(bytes, [])
      if (requests.length === 0) return
      compared += requests.length
      const wanted = JSON.stringify(requests)
      const byPython = await python.parse(written)
      if (JSON.stringify(byPython.requests) !== wanted) {
        throw new Error(`Python: ${JSON.stringify(byPython)}, wanted ${wanted}, of ${JSON.stringify(String(written))}`)
      }
      if (requests.some(({ method, framing }) => !knownMethods.has(method) || framing === 'upgrade')) return
      const byNode = await parsedByNode(written)
      if (byNode.error !== undefined || JSON.stringify(byNode.requests) !== wanted) {
        throw new Error(`node: ${JSON.stringify(byNode)}, wanted ${wanted}, of ${JSON.stringify(String(written))}`)
      }
    }),
    { seed: 20_261_122, numRuns: runs },
  )
  t.ok(compared > runs / 2, `${compared} requests compared`)
})

t.test('requests mean the same however they are cut', async t => {
  fc.assert(
    fc.property(input, fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 40 }), (bytes, cuts) => {
      // a bad octet is noticed at the end of its line at the latest
      const ended = Buffer.concat([bytes, lineEnd])
      const whole = outcomeOf(ended, [])
      const cut = outcomeOf(ended, cuts)
      const same = JSON.stringify(whole.requests) === JSON.stringify(cut.requests)
      return same && String(whole.refused) === String(cut.refused)
    }),
    { seed: 20_261_122, numRuns: runs },
  )
  t.pass()
})

t.test('no bytes of a server make the client side throw, or answer twice', async t => {
  const responses = fc
    .tuple(fc.constantFrom(...pieces), input)
    .map(([piece, bytes]) => Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n'), piece, bytes]))
  fc.assert(
    fc.property(responses, fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 20 }), (bytes, cuts) => {
      const connection = new Http1ClientConnection(new HeldSocket(), { clock })
      const stream = connection.open([':method', 'GET', ':scheme', 'http', ':authority', 'web', ':path', '/'], true)
      if (stream === undefined) return false
      let ends = 0
      stream.onEnd = () => {
        ends += 1
      }
      stream.onReset = () => {
        ends += 1
      }
      let at = 0
      for (const cut of [...cuts, bytes.length]) {
        if (at < bytes.length) connection.received(bytes.subarray(at, at + cut))
        at += cut
      }
      connection.destroy('the test is over')
      return ends === 1
    }),
    { seed: 20_261_122, numRuns: runs },
  )
  t.pass()
})
