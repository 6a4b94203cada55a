import { connect as connectTcp } from 'node:net'
import { connect } from 'node:tls'
import t from 'tap'
import { formatApiToken, newApiToken } from '../../../../mesh/identity/api-token.ts'
import { createCsr } from '../../../../mesh/identity/csr.ts'
import { generateKeys } from '../../../../mesh/identity/keys.ts'
import { startServerApi } from '../../../../server/api/server-api.ts'
import { createApiWorld } from '../../../support/api-world.ts'

const concrete = (path: string) => path.replace(/:[a-z]+/g, 'x')

t.test('every route but joining wants a token of this server', async t => {
  const { ask, routes } = await createApiWorld(t)
  const stranger = formatApiToken(newApiToken('0'.repeat(64)))
  const headers = [undefined, '', 'Bearer', 'Bearer nonsense', `Bearer ${stranger}`, `Basic ${stranger}`, stranger]
  t.ok(routes.length >= 10)
  for (const route of routes) {
    for (const authorization of headers) {
      if (route.open === true) continue
      const answer = await ask(route.method, concrete(route.path), {
        ...(authorization !== undefined && { headers: { authorization } }),
      })
      t.equal(answer.status, 401, `${route.method} ${route.path} ${authorization}`)
      t.match(answer.json, { code: 'WEFT_UNAUTHENTICATED', next: /./ })
      t.notOk(JSON.stringify(answer.json).includes(stranger), 'the token is not told back')
    }
  }
  t.same(
    routes.filter(route => route.open === true).map(route => `${route.method} ${route.path}`),
    ['POST /v1/join', 'POST /v1/join/challenge'],
  )
})

t.test('a stranger learns nothing about which paths there are', async t => {
  const { ask, operator } = await createApiWorld(t)
  for (const path of ['/', '/v1/nothing', '/v1/tokens/', '/v1/status/../join']) {
    t.match(await ask('GET', path), { status: 401 }, path)
    t.match(await operator('GET', path), { status: 404, json: { code: 'WEFT_NOT_FOUND' } }, path)
  }
})

t.test('requests of web pages are refused, with a token too', async t => {
  const { ask, token } = await createApiWorld(t)
  for (const origin of ['https://evil.example', 'null', '']) {
    t.match(await ask('GET', '/v1/status', { token, headers: { origin } }), {
      status: 400,
      json: { code: 'WEFT_USAGE' },
    })
  }
})

t.test('the API answers to addresses and its own names, and to no name that was made to lead to it', async t => {
  const { ask, token, port } = await createApiWorld(t)
  const status = async (host: string) => (await ask('GET', '/v1/status', { token, headers: { host } })).status
  for (const host of ['127.0.0.1', `127.0.0.1:${port}`, `[::1]:${port}`, '10.9.8.7', 'localhost:1', 'LOCALHOST.']) {
    t.equal(await status(host), 200, host)
  }
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'x@127.0.0.1',
    '[evil]',
  ]) {
    t.equal(await status(host), 400, host)
  }
})

t.test('answers say that nobody may keep them or take them for something else', async t => {
  const { operator } = await createApiWorld(t)
  const { status, headers } = await operator('GET', '/v1/status')
  t.equal(status, 200)
  t.match(headers, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
})

t.test('a body that is no JSON object is named as such', async t => {
  const { operator, ask } = await createApiWorld(t)
  for (const body of ['', 'node: vm-1', '[]', 'null', '"text"', '{"node":']) {
    t.match(await operator('POST', '/v1/tokens', body), { status: 400, json: { code: 'WEFT_USAGE' } }, body)
    t.match(await ask('POST', '/v1/join', { body }), { status: 400, json: { code: 'WEFT_USAGE' } }, body)
  }
  t.match(await operator('POST', '/v1/tokens', '{"node":7}'), { json: { fields: { field: 'node' } } })
})

t.test('a body that is too large is answered, and one that does not end is cut off', async t => {
  const { operator, ask } = await createApiWorld(t)
  const answer = await operator('POST', '/v1/resources', 'x'.repeat(5 * 1024 * 1024))
  t.match(answer, { status: 400, json: { code: 'WEFT_USAGE', message: 'the body is larger than 4096 KiB' } })
  t.match(await ask('POST', '/v1/join', { body: 'x'.repeat(65 * 1024) }), {
    status: 400,
    json: { message: 'the body is larger than 64 KiB' },
  })
  await t.rejects(ask('POST', '/v1/join', { body: Buffer.alloc(2 * 1024 * 1024) }), 'the connection ends')
  t.match(await operator('GET', '/v1/status'), { status: 200 }, 'and the server goes on')
})

t.test('an error of the server itself is logged and not told', async t => {
  const world = await createApiWorld(t)
  await world.store.close()
  const answer = await world.operator('GET', '/v1/resources')
  t.ok(answer.status >= 500)
  t.notMatch(JSON.stringify(answer.json), /sqlite|database|\/server\//i)
})

t.test('joining gives a certificate for a token, to one key', async t => {
  const { ask, secretFor } = await createApiWorld(t)
  const secret = await secretFor('vm-1')
  const join = () => {
    const csr = createCsr(generateKeys()).toString('base64')
    return ask('POST', '/v1/join', { body: JSON.stringify({ secret, node: 'vm-1', csr }) })
  }
  t.match(await join(), { status: 200, json: { trustDomain: 'td', chain: [/BEGIN/, /BEGIN/] } })
  t.match(await join(), { status: 403, json: { code: 'WEFT_TOKEN_REFUSED' } })
})

t.test('joining is tried ten times a second from one address, no more', async t => {
  const { ask, operator, clock } = await createApiWorld(t)
  const attempt = async () => (await ask('POST', '/v1/join', { body: '{}' })).status
  const burst = await Promise.all(Array.from({ length: 30 }, attempt))
  t.equal(burst.filter(status => status === 400).length, 10)
  t.equal(burst.filter(status => status === 429).length, 20)
  t.match(await ask('POST', '/v1/join', { body: '{}' }), {
    status: 429,
    json: { code: 'WEFT_RATE_LIMITED', next: /wait/ },
  })
  t.match(await operator('GET', '/v1/status'), { status: 200 }, 'operators are not held up by it')
  await clock.advance(100)
  t.equal(await attempt(), 400)
  t.equal(await attempt(), 429)
})

t.test('a renewed certificate is presented to the next connection', async t => {
  const { port, renew, operator } = await createApiWorld(t)
  const presented = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().fingerprint256)
        socket.destroy()
      }).on('error', reject)
    })
  const before = await presented()
  renew()
  t.not(await presented(), before)
  t.match(await operator('GET', '/v1/status'), { status: 200 })
})

t.test('TLS below 1.3 and bytes that are no TLS are refused, and the server goes on', async t => {
  const { port, operator } = await createApiWorld(t)
  await t.rejects(
    new Promise((resolve, reject) => {
      connect({ port, host: '127.0.0.1', rejectUnauthorized: false, maxVersion: 'TLSv1.2' }, () => resolve(0)).on(
        'error',
        reject,
      )
    }),
  )
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', Buffer.from([22, 3, 1, 255, 255, 1, 0, 0, 0]), Buffer.alloc(70_000)]) {
    await new Promise<void>(resolve => {
      const socket = connectTcp(port, '127.0.0.1', () => socket.end(bytes))
      socket.on('error', () => {}).on('close', () => resolve())
      socket.resume()
    })
  }
  t.match(await operator('GET', '/v1/status'), { status: 200 })
})

t.test('a port that is taken is named', async t => {
  const { parts, port } = await createApiWorld(t)
  await t.rejects(startServerApi(parts, { host: '127.0.0.1', port }), {
    code: 'WEFT_LISTEN',
    message: `the API cannot listen on 127.0.0.1:${port}`,
  })
})
