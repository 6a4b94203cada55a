import fc from 'fast-check'
import t from 'tap'
import { defaultHttp1Limits } from '../../../../../agent/dataplane/http1/limits.ts'
import { ResponseHead } from '../../../../../agent/dataplane/http1/response-head.ts'

/** Everything a reader says of a head. */
function readingOf(head: ResponseHead, bytes: Buffer): unknown {
  const result = head.read(bytes, 0)
  if (result !== 'complete') return result
  const { status, contentLength, chunked, keepAlive, upgrade, end } = head
  return { status, contentLength, chunked, keepAlive, upgrade, end, list: head.list() }
}

const fresh = () => new ResponseHead(defaultHttp1Limits)

const startLine = fc.constantFrom(
  ...[
    'HTTP/1.1 200 OK',
    'HTTP/1.1 200 Fine',
    'HTTP/1.1 204 No Content',
    'HTTP/1.0 200 OK',
    'HTTP/1.1 101 x',
    'HTTP/1.1 100',
  ],
  ...['HTTP/1.1 20', 'HTTP/2 200 OK'],
)
const line = fc.constantFrom(
  ...['X-A: 1', 'X-A: 2', 'X-A : 1', 'Content-Length: 5', 'Content-Length: 005', 'Transfer-Encoding: chunked'],
  ...['Connection: close', 'Connection: keep-alive', 'Connection: upgrade', 'Upgrade: websocket', 'Upgrade: h2c', ' x'],
  ...[
    'Date: Sun, 22 Nov 2026 11:00:00 GMT',
    'Date: Sun, 22 Nov 2026 11:00:01 GMT',
    'Keep-Alive: 5',
    'Host: x',
    'TE: x',
  ],
)
const headText = fc
  .tuple(startLine, fc.array(line, { maxLength: 6 }))
  .map(([first, lines]) => `${[first, ...lines].join('\r\n')}\r\n\r\nrest`)

t.test('what a connection remembers of earlier heads changes nothing in how the next one is read', async t => {
  fc.assert(
    fc.property(fc.array(headText, { maxLength: 12 }), fc.nat(30), (heads, cut) => {
      const head = fresh()
      return heads.every((text, index) => {
        const bytes = Buffer.from(text, 'latin1')
        // now and then a head is there in part first
        if (index % 3 === 2) head.read(bytes.subarray(0, Math.max(0, bytes.length - 4 - cut)), 0)
        return JSON.stringify(readingOf(head, bytes)) === JSON.stringify(readingOf(fresh(), bytes))
      })
    }),
    { seed: 1, numRuns: 5000 },
  )
  t.pass()
})
