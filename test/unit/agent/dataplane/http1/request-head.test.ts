import fc from 'fast-check'
import t from 'tap'
import { defaultHttp1Limits } from '../../../../../agent/dataplane/http1/limits.ts'
import { RequestHead } from '../../../../../agent/dataplane/http1/request-head.ts'

/** Everything a reader says of a head. */
function readingOf(head: RequestHead, bytes: Buffer, from: number): unknown {
  const result = head.read(bytes, from)
  if (result !== 'complete') return result
  const { method, path, authority, oldVersion, contentLength, chunked, keepAlive, expectsContinue, upgrade, end } = head
  const framing = { contentLength, chunked, keepAlive, expectsContinue, upgrade, end }
  return { method, path, authority, oldVersion, ...framing, list: head.list() }
}

const fresh = () => new RequestHead(defaultHttp1Limits, 'http')

const startLine = fc.constantFrom(
  ...['GET / HTTP/1.1', 'GET /a HTTP/1.1', 'POST / HTTP/1.1', 'GET / HTTP/1.0', 'GET http://web/x HTTP/1.1'],
  ...['GET http://web/x HTTP/1.0', 'get / HTTP/1.1', 'GET /'],
)
const line = fc.constantFrom(
  ...[
    'Host: web',
    'Host: web',
    'Host: other',
    'host:web',
    'X-A: 1',
    'X-A: 2',
    'X-B: 1',
    'X-A : 1',
    'X_A: 1',
    ' x',
    'x\n: y',
  ],
  ...[
    'Content-Length: 5',
    'Content-Length: 005',
    'Content-Length: 6',
    'Transfer-Encoding: chunked',
    'Connection: close',
  ],
  ...['Connection: keep-alive', 'Connection: upgrade', 'Upgrade: websocket', 'Upgrade: h2c', 'TE: trailers', 'TE: x'],
  ...['Expect: 100-continue', 'Keep-Alive: 5', `X-Long: ${'x'.repeat(1500)}`, `X-Longer: ${'x'.repeat(4000)}`],
)
const headText = fc
  .tuple(startLine, fc.array(line, { maxLength: 6 }), fc.constantFrom('', '', '', '\r\n'))
  .map(([first, lines, before]) => `${before}${[first, ...lines].join('\r\n')}\r\n\r\n`)

t.test('what a connection remembers of earlier heads changes nothing in how the next one is read', async t => {
  fc.assert(
    fc.property(fc.array(headText, { maxLength: 12 }), fc.nat(20), fc.nat(30), (heads, offset, cut) => {
      const head = fresh()
      return heads.every((text, index) => {
        const bytes = Buffer.from(`${'#'.repeat(offset)}${text}rest`, 'latin1')
        // now and then a head is there in part first
        if (index % 3 === 2) head.read(bytes.subarray(0, bytes.length - 4 - Math.min(cut, text.length)), offset)
        const got = JSON.stringify(readingOf(head, bytes, offset))
        return got === JSON.stringify(readingOf(fresh(), bytes, offset))
      })
    }),
    { seed: 1, numRuns: 5000 },
  )
  t.pass()
})

t.test('a Host is not remembered for a request that has none', async t => {
  const head = fresh()
  head.read(Buffer.from('GET / HTTP/1.0\r\nHost: web\r\nConnection: keep-alive\r\n\r\n'), 0)
  t.equal(head.authority, 'web')
  t.equal(head.read(Buffer.from('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'), 0), 'complete')
  t.equal(head.authority, '')
  t.equal(head.list()[5], '')
})

t.test('a header list is the callee’s own', async t => {
  const head = fresh()
  const bytes = Buffer.from('GET / HTTP/1.1\r\nHost: web\r\n\r\n')
  head.read(bytes, 0)
  head.list().push('x-a', 'b')
  head.read(bytes, 0)
  t.equal(head.list().length, 8)
})
