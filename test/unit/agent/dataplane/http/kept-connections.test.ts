import { request as send } from 'node:http'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { aLocalServer, aMeshedPair } from '../../../../support/data-threads.ts'

/** An application that answers the first request of a connection, and dies of the second one once it has read it. */
async function aFragileApplication(t: Test) {
  const executed: string[] = []
  const open = new Set<Socket>()
  t.teardown(() => {
    for (const socket of open) socket.destroy()
  })
  const port = await aLocalServer(t, socket => {
    let requests = 0
    open.add(socket)
    socket.on('data', chunk => {
      executed.push(chunk.toString().slice(0, 4).trim())
      requests += 1
      if (requests === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
      else socket.destroy()
    })
    socket.on('end', () => socket.end())
  })
  return { port, executed }
}

function call(port: number, method: 'GET' | 'POST') {
  return new Promise<{ readonly status: number | undefined; readonly reason: unknown }>((resolve, reject) => {
    const headers = { host: 'api.default.mesh' }
    const request = send({ port, host: '127.0.0.1', method, headers, agent: false }, response => {
      response.resume()
      response.on('end', () => resolve({ status: response.statusCode, reason: response.headers['weft-reason'] }))
    })
    request.on('error', reject)
    request.end()
  })
}

t.test('a request that an application may have read is delivered again only if its method allows it', async t => {
  for (const [method, status, seen] of [
    ['GET', 200, ['GET', 'GET', 'GET']],
    ['POST', 503, ['POST', 'POST']],
  ] as const) {
    const { port, executed } = await aFragileApplication(t)
    const { outboundPort } = await aMeshedPair(t, port, { protocol: 'http' })
    t.match(await call(outboundPort, method), { status: 200 })
    const second = await call(outboundPort, method)
    t.equal(second.status, status)
    if (status === 503) t.match(second.reason, /^UPSTREAM_RESET/)
    t.same(executed, seen)
  }
})
