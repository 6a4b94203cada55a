import { once } from 'node:events'
import http from 'node:http'
import t from 'tap'
import { until } from '../../../../support/eventually.ts'
import { bodyOf, codecServer, type Seen } from '../../../../support/http1-pair.ts'

const get = 'GET /a HTTP/1.1\r\nHost: web\r\n\r\n'

/** Answers when the request is complete, with its body. */
function echo(seen: Seen): void {
  const { stream } = seen
  const answer = () => {
    stream.respond([':status', '200', 'x-echo', 'yes'], false)
    stream.write(Buffer.from(bodyOf(seen), 'latin1'))
    stream.end()
  }
  if (seen.ended) answer()
  else stream.onEnd = answer
}

t.test('answers one request after another on a connection', async t => {
  const { client, seen, problems } = await codecServer(t, ({ stream }, index) => {
    stream.respond([':status', '200', 'Content-Length', '2', 'X-Two', 'a', 'X-Two', 'b'], false)
    stream.write(Buffer.from(`n${index}`))
    stream.end()
  })
  const peer = await client()
  peer.send('GET /a?b=c HTTP/1.1\r\nHost: Web:80\r\nX-One: \t 1 \r\nx-one: 2\r\nConnection: keep-alive\r\n\r\n')
  t.equal(await peer.expect('n0'), 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Two: a\r\nX-Two: b\r\n\r\nn0')
  peer.send(get)
  await peer.expect('n1')
  t.strictSame(seen[0]?.headers, [
    [':method', 'GET', ':scheme', 'http', ':authority', 'Web:80', ':path', '/a?b=c', 'X-One', '1', 'x-one', '2'],
  ])
  t.equal(seen[0]?.endedAtOnce, true)
  t.strictSame(seen[1]?.headers, [[':method', 'GET', ':scheme', 'http', ':authority', 'web', ':path', '/a']])
  t.strictSame(problems, [])
})

t.test('serves node:http clients with bodies of known and of unknown length, in pieces of any size', async t => {
  const { port } = await codecServer(t, echo)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const ask = async (headers: http.OutgoingHttpHeaders, pieces: readonly Buffer[]) => {
    const request = http.request({ port, host: '127.0.0.1', method: 'POST', agent, headers })
    for (const piece of pieces) request.write(piece)
    request.end()
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    const parts: Buffer[] = []
    response.on('data', part => parts.push(part))
    await once(response, 'end')
    return Buffer.concat(parts)
  }
  for (const size of [0, 1, 4095, 4097, 70_000, 1_000_000]) {
    const body = Buffer.alloc(size, 'abcdefghijk')
    t.ok((await ask({ 'content-length': size }, [body])).equals(body), `${size} bytes of known length`)
    const half = size >> 1
    t.ok((await ask({}, [body.subarray(0, half), body.subarray(half)])).equals(body), `${size} bytes in chunks`)
  }
})

t.test('reads requests cut anywhere', async t => {
  const { client, seen } = await codecServer(t, echo)
  const peer = await client()
  const bytes =
    'POST /x HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n'
  for (let index = 0; index < 3; index += 1) {
    for (const octet of bytes) {
      peer.send(octet)
      await new Promise(resolve => setImmediate(resolve))
    }
    await until('the answer', () => peer.text().split('abc0123456789abcdef').length === index + 2)
  }
  t.equal(seen.length, 3)
})
