import t from 'tap'
import { h2Error } from '../../../../../agent/dataplane/h2/frames.ts'
import { until } from '../../../../support/eventually.ts'
import { bodyOf, codecServer, type Seen } from '../../../../support/http1-pair.ts'

const post = (fields: string, body = '') => `POST /p HTTP/1.1\r\nHost: web\r\n${fields}\r\n${body}`
const chunked = 'Transfer-Encoding: chunked\r\n'
const later = () => {}
const ok = ({ stream }: Seen) => stream.respond([':status', '200'], true)

t.test('100-continue passes end to end', async t => {
  const { client, seen } = await codecServer(t, later)
  const peer = await client()
  peer.send(post('Expect: 100-continue\r\nContent-Length: 5\r\n'))
  await until('the request', () => seen.length === 1)
  t.strictSame(seen[0]!.headers[0]?.slice(8), ['Expect', '100-continue', 'Content-Length', '5'])
  seen[0]!.stream.respond([':status', '100'], false)
  t.equal(await peer.expect('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
  peer.send('hello')
  await until('the body', () => seen[0]!.ended)
  t.equal(bodyOf(seen[0]!), 'hello')
  ok(seen[0]!)
  t.match(await peer.expect('200 OK'), /content-length: 0\r\n\r\n$/)
  peer.send(post('Content-Length: 0\r\n'))
  await until('the next request', () => seen.length === 2)
})

t.test('a final status in place of 100 closes the connection', async t => {
  const { client, seen } = await codecServer(t, ({ stream }) => stream.respond([':status', '417'], true))
  const peer = await client()
  peer.send(post('Expect: 100-continue\r\nContent-Length: 5\r\n'))
  t.equal(await peer.end(), 'HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
  t.strictSame(seen[0]!.reset?.code, h2Error.noError)
})

t.test('a final status in place of 100 keeps the connection when the body came anyway', async t => {
  const { client, seen } = await codecServer(t, later)
  const peer = await client()
  peer.send(post('Expect: 100-continue\r\nContent-Length: 5\r\n', 'hello'))
  await until('the body', () => seen[0]?.ended === true)
  ok(seen[0]!)
  t.equal(await peer.expect('\r\n\r\n'), 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
})

t.test('a request that was answered early is read to its end when that is near', async t => {
  const { client, seen } = await codecServer(t, ok)
  const peer = await client()
  peer.send(post('Content-Length: 60000\r\n'))
  t.equal(await peer.expect('\r\n\r\n'), 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
  peer.send(`${'x'.repeat(60_000)}${post(chunked, '5\r\nhello\r\n')}`)
  await until('the second request', () => seen.length === 2)
  t.equal(seen[0]!.ended, true)
  peer.send(`0\r\n\r\n${post('Content-Length: 0\r\n')}`)
  await until('the third request', () => seen.length === 3)
  t.strictSame(
    seen.map(({ reset }) => reset),
    [undefined, undefined, undefined],
  )
})

t.test('a request that was answered early is not read for long, and its answer arrives', async t => {
  const { client, seen } = await codecServer(t, ok)
  const declared = await client()
  declared.send(post('Content-Length: 1000000\r\n', 'x'.repeat(200_000)))
  t.match(await declared.end(), /connection: close\r\n\r\n$/)
  t.equal(seen[0]!.reset?.code, h2Error.noError)
  const endless = await client()
  endless.send(post(chunked, `186a0\r\n${'x'.repeat(100_000)}\r\n`))
  t.match(await endless.end(), /content-length: 0\r\n\r\n$/)
  t.equal(seen[1]!.reset?.code, h2Error.noError)
})

t.test('a body that is not consumed is not read', async t => {
  const { client, seen, sockets } = await codecServer(t, later, { hold: true })
  const peer = await client()
  const size = 8 << 20
  peer.send(post(`Content-Length: ${size}\r\n`))
  peer.send(Buffer.alloc(size, 'x'))
  await until('some', () => sockets[0]?.isPaused() === true)
  const delivered = () => seen[0]!.data.reduce((sum, { length }) => sum + length, 0)
  t.ok(delivered() > 65_536 && delivered() <= 65_536 * 2, `${delivered()} bytes`)
  seen[0]!.stream.onData = chunk => {
    seen[0]!.data.push(chunk)
    seen[0]!.stream.consumed(chunk.length)
  }
  seen[0]!.stream.consumed(delivered())
  await until('all', () => seen[0]!.ended)
  t.equal(delivered(), size)
})

t.test('a client that does not read holds the response back', async t => {
  const { client, seen } = await codecServer(t, later)
  const peer = await client()
  peer.socket.pause()
  peer.send('GET / HTTP/1.1\r\nHost: web\r\n\r\n')
  await until('the request', () => seen.length === 1)
  const [{ stream }] = seen as [Seen]
  stream.respond([':status', '200'], false)
  const chunk = Buffer.alloc(32_768, 'y')
  let written = 0
  const fill = () => {
    do written += 1
    while (stream.write(chunk))
  }
  fill()
  // the kernel takes some; what it does not is ours, and bounded
  for (let quiet = 0, drains = 0; quiet < 20; quiet += 1) {
    await new Promise(resolve => setImmediate(resolve))
    if (seen[0]!.drains > drains) {
      drains = seen[0]!.drains
      quiet = 0
      fill()
    }
  }
  t.equal(stream.write(Buffer.from('z')), false)
  const before = seen[0]!.drains
  peer.socket.resume()
  await until('room', () => seen[0]!.drains > before)
  stream.end()
  await peer.expect('\r\n0\r\n\r\n')
  t.equal(peer.text().split('y').length - 1, written * chunk.length)
})

t.test('pipelined requests wait for their turn, and too many are not read', async t => {
  const { client, seen, sockets } = await codecServer(t, later)
  const peer = await client()
  const request = (index: number) => `GET /${index} HTTP/1.1\r\nHost: web\r\nX-Fill: ${'f'.repeat(1000)}\r\n\r\n`
  const count = 400
  peer.send(Array.from({ length: count }, (_, index) => request(index)).join(''))
  await until('a pause', () => sockets[0]?.isPaused() === true)
  t.equal(seen.length, 1)
  for (let index = 0; index < count; index += 1) {
    await until('the request', () => seen.length === index + 1)
    t.equal(seen[index]!.headers[0]?.[7], `/${index}`)
    seen[index]!.stream.respond([':status', '200', 'x-n', `${index}.`], true)
  }
  const answer = await peer.expect(`x-n: ${count - 1}.`)
  t.strictSame(
    [...answer.matchAll(/x-n: (\d+)\./g)].map(match => Number(match[1])),
    Array.from({ length: count }, (_, index) => index),
  )
})

t.test('request trailers of the allow-list are passed on, others dropped', async t => {
  const { client, seen } = await codecServer(t, ok, { requestTrailers: new Set(['x-checksum']) })
  const peer = await client()
  peer.send(post(chunked, '1\r\na\r\n0\r\nX-Checksum: 1\r\nX-Other: 2\r\n\r\n'))
  await until('the end', () => seen[0]?.ended === true)
  t.strictSame(seen[0]!.headers[1], ['X-Checksum', '1'])
  peer.send(post(chunked, '1\r\na\r\n0\r\nX-Other: 2\r\n\r\n'))
  await until('the end', () => seen[1]?.ended === true)
  t.equal(seen[1]!.headers.length, 1)
})

t.test('response trailers follow chunks, and are left out where there are none', async t => {
  const { client } = await codecServer(t, ({ stream }, index) => {
    stream.respond([':status', '200', ...(index === 1 ? ['content-length', '2'] : [])], false)
    stream.write(Buffer.from('ab'))
    stream.respond(['grpc-status', '0', 'connection', 'close'], true)
  })
  const peer = await client()
  const get = 'GET / HTTP/1.1\r\nHost: web\r\n\r\n'
  peer.send(get + get + get.replace('1.1', '1.0'))
  t.equal(
    await peer.end(),
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\ngrpc-status: 0\r\n\r\n' +
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabHTTP/1.1 200 OK\r\nconnection: close\r\n\r\nab',
  )
})

t.test('what was read already comes first', async t => {
  const { client, seen } = await codecServer(t, ok, { first: Buffer.from('GET /fir') })
  const peer = await client()
  peer.send('st HTTP/1.1\r\nHost: web\r\n\r\n')
  await peer.expect('200 OK')
  t.equal(seen[0]!.headers[0]?.[7], '/first')
})
