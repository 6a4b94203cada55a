import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { describeError } from '../../../mesh/std/errors.ts'
import { createFetchText } from '../../../server/outbound-fetch.ts'
import { createOutboundUrls } from '../../../server/outbound-url.ts'
import { FakeClock } from '../../fakes/clock.ts'
import { until } from '../../support/eventually.ts'
import { localhostCertificate, says, urlServer } from '../../support/url-server.ts'

const never = new AbortController().signal
const options = { timeoutMs: 5000, maxBytes: 1000 }

function fetcher(lookup: (host: string) => readonly string[] = () => ['127.0.0.1'], authorities?: readonly string[]) {
  const clock = new FakeClock()
  const urls = createOutboundUrls({ allow: ['127.0.0.1'], lookup: async host => lookup(host), isOwn: () => false })
  const fetchText = createFetchText({ urls, clock, authorities })
  return { clock, get: (url: string, signal = never) => fetchText(url, options, signal) }
}

/** A server that does with a connection what a test says. */
async function rawServer(t: Test, serve: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return `http://127.0.0.1:${address.port}/`
}

t.test('gets a text, by address and by name, with no more said than that it is wanted', async t => {
  const headers: unknown[] = []
  const server = await urlServer(t, (request, response) => {
    headers.push(request.headers)
    response.end('keys')
  })
  const { get } = fetcher()
  t.equal(await get(`${server.origin}/keys?a=b`), 'keys')
  t.equal(await get(`http://idp.example:${server.port}/`), 'keys')
  t.same(server.asked, ['/keys?a=b', '/'])
  t.match(headers[1], { host: `idp.example:${server.port}`, 'user-agent': 'weft', authorization: undefined })
})

t.test('over TLS the server must have a certificate of a known authority for the name', async t => {
  const certificate = localhostCertificate(t)
  const server = await urlServer(t, says('keys'), certificate)
  t.equal(await fetcher(undefined, [certificate.cert]).get(`${server.origin}/`), 'keys')
  await t.rejects(fetcher().get(`${server.origin}/`), {
    code: 'WEFT_URL_UNAVAILABLE',
    message: 'the URL cannot be fetched',
  })
  const other = fetcher(undefined, [certificate.cert]).get(`https://idp.example:${server.port}/`)
  await t.rejects(other, { code: 'WEFT_URL_UNAVAILABLE' })
})

t.test('connects to the address that was checked, though the name says another one by then', async t => {
  const server = await urlServer(t, says('keys'))
  let asked = 0
  const rebinding = () => {
    asked += 1
    return asked === 1 ? ['127.0.0.1'] : ['127.0.0.2']
  }
  t.equal(await fetcher(rebinding).get(`http://idp.example:${server.port}/`), 'keys')
  t.equal(asked, 1, 'nothing but the check looks up')
})

t.test('a name that turns to loopback is refused before anything connects', async t => {
  const server = await urlServer(t, says('secret'))
  const urls = createOutboundUrls({ allow: [], lookup: async () => ['127.0.0.1'], isOwn: () => false })
  const fetchText = createFetchText({ urls, clock: new FakeClock() })
  await t.rejects(fetchText(`http://idp.example:${server.port}/`, options, never), { code: 'WEFT_URL_REFUSED' })
  t.same(server.asked, [])
})

t.test('redirects are not followed, and no other status than 200 is an answer', async t => {
  const target = await urlServer(t, says('secret'))
  for (const status of [201, 204, 301, 302, 303, 307, 308, 404, 500]) {
    const server = await urlServer(t, (_request, response) => {
      response.writeHead(status, { location: `${target.origin}/` }).end(status === 204 ? undefined : 'secret')
    })
    const failure = { code: 'WEFT_URL_UNAVAILABLE', fields: { url: server.origin, statusCode: status } }
    await t.rejects(fetcher().get(`${server.origin}/x`), failure, String(status))
  }
  t.same(target.asked, [])
})

t.test('reads no more than it may, whether the length is said or not', async t => {
  const declared = await urlServer(t, says('x'.repeat(1001)))
  const endless = await urlServer(t, (_request, response) => {
    const more = () => {
      if (!response.destroyed && response.write('x'.repeat(100))) setImmediate(more)
    }
    response.on('drain', more)
    more()
  })
  const exact = await urlServer(t, says('x'.repeat(1000)))
  t.equal((await fetcher().get(`${exact.origin}/`)).length, 1000)
  for (const { origin } of [declared, endless]) {
    await t.rejects(fetcher().get(`${origin}/`), { message: 'the URL answers with more than is read' })
  }
})

t.test('an answer in a coding that was not asked for is none', async t => {
  const server = await urlServer(t, (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end('x')
  })
  await t.rejects(fetcher().get(`${server.origin}/`), { code: 'WEFT_URL_UNAVAILABLE' })
})

t.test('everything together must come in time: connection, head, and a body that trickles', async t => {
  const connected: string[] = []
  const silent = await rawServer(t, () => connected.push('silent'))
  const trickling = await rawServer(t, socket => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx', () => connected.push('trickling'))
  })
  for (const [url, what] of [
    [silent, 'silent'],
    [trickling, 'trickling'],
  ] as const) {
    const { clock, get } = fetcher()
    const text = get(url)
    text.catch(() => {})
    await until(`${what} is connected`, () => connected.includes(what))
    await clock.advance(5000)
    await t.rejects(text, { code: 'WEFT_URL_UNAVAILABLE', message: 'the URL does not answer in time' })
  }
})

t.test('a name server that never answers holds up no longer than the time-out', async t => {
  const urls = createOutboundUrls({ allow: [], lookup: () => new Promise(() => {}), isOwn: () => false })
  const clock = new FakeClock()
  const text = createFetchText({ urls, clock })('https://idp.example/', options, never)
  text.catch(() => {})
  await clock.advance(5000)
  await t.rejects(text, { code: 'WEFT_URL_UNAVAILABLE' })
})

t.test('garbage, early ends and resets are failures, and nothing of them is repeated', async t => {
  const answers = [
    'secret garbage\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsecret',
    '',
    `HTTP/1.1 200 OK\r\nx: ${'secret'.repeat(9000)}`,
  ]
  for (const answer of answers) {
    const url = await rawServer(t, socket => {
      socket.end(answer)
    })
    const error = await fetcher()
      .get(url)
      .then(String, (error: unknown) => error)
    t.match(error, { code: 'WEFT_URL_UNAVAILABLE' }, answer.slice(0, 30))
    t.notMatch(JSON.stringify(error) + describeError(error), /secret/)
  }
  const closed = await rawServer(t, socket => socket.resetAndDestroy())
  await t.rejects(fetcher().get(closed), { code: 'WEFT_URL_UNAVAILABLE' })
})

t.test('ends when it is told to', async t => {
  const stop = new AbortController()
  const connected: number[] = []
  const url = await rawServer(t, () => connected.push(1))
  const { get, clock } = fetcher()
  const text = get(url, stop.signal)
  text.catch(() => {})
  await until('it is connected', () => connected.length > 0)
  stop.abort()
  await t.rejects(text, { code: 'WEFT_URL_UNAVAILABLE' })
  t.equal(clock.pending, 0, 'no timer is left')
  await t.rejects(get(url, stop.signal), { code: 'WEFT_URL_UNAVAILABLE' }, 'at once when it was told before')
})
