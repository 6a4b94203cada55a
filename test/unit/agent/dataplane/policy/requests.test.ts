import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import type { PolicyConfig } from '../../../../../mesh/model/policy.ts'
import { aConfig, aWorkload } from '../../../../support/agent-config.ts'
import { aMeshedPair, aThread, identityOf } from '../../../../support/data-threads.ts'
import { until } from '../../../../support/eventually.ts'
import { anAuthorization, fromCaller, policiesOf, tokensOf } from '../../../../support/policy-config.ts'

type Teardown = { teardown(stop: () => unknown): void }

async function anHttpServer(t: Teardown, serve: (incoming: IncomingMessage, outgoing: ServerResponse) => void) {
  const server = createServer(serve)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not bound')
  return address.port
}

const ok = (incoming: IncomingMessage, outgoing: ServerResponse) => {
  incoming.resume()
  outgoing.end('ok')
}

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

function call(port: number, path: string, options: { readonly method?: string; readonly headers?: object } = {}) {
  return new Promise<Answer>((resolve, reject) => {
    const headers = { host: 'api.default.mesh', ...options.headers }
    const method = options.method ?? 'GET'
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, incoming => {
      let body = ''
      incoming.on('data', chunk => {
        body += chunk
      })
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body }))
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

/** `web` calls `api`, whose host has these policies. */
async function aPair(t: Teardown & { testdir(): string }, port: number, policies: PolicyConfig) {
  const log = join(t.testdir(), 'callee')
  const pair = await aMeshedPair(t, port, {
    protocol: 'http',
    accessLog: { callee: log },
    callee: config => ({ ...config, policies }),
  })
  const lines = async () => {
    await pair.callee.drain(0)
    return readFileSync(log, 'utf8')
      .trim()
      .split('\n')
      .map((line): Readonly<Record<string, unknown>> => JSON.parse(line))
  }
  return { ...pair, lines }
}

/** The callee's config with other policies. */
function calleeConfig(pair: Awaited<ReturnType<typeof aPair>>, port: number, policies: PolicyConfig) {
  const ports = [{ port, protocol: 'http', mtls: 'PERMISSIVE', mtlsFrom: 'default', service: 'default/api' } as const]
  const api = aWorkload({ id: 'static/api-1', name: 'api-1', address: '127.0.0.1', identity: identityOf('api'), ports })
  return aConfig({ trust: pair.mesh.trust, workloads: [api], policies })
}

t.test('requests pass or are refused each by itself, as policies say of caller, method and path', async t => {
  const port = await anHttpServer(t, ok)
  const readers = anAuthorization('readers', {
    rules: [{ ...fromCaller('web'), to: [{ operation: { methods: ['GET'], paths: ['/open/*'] } }] }],
  })
  const secrets = anAuthorization('secrets', {
    action: 'DENY',
    rules: [{ to: [{ operation: { paths: ['/open/secret'] } }] }],
  })
  const pair = await aPair(t, port, policiesOf(readers, secrets))
  t.match(await call(pair.outboundPort, '/open/x'), { status: 200, body: 'ok' })
  const unmatched = await call(pair.outboundPort, '/open/x', { method: 'POST' })
  t.match(unmatched, { status: 403, body: 'RBAC: access denied' })
  t.equal(unmatched.headers['weft-reason'], 'AUTHORIZATION_DENIED', 'which policy it was is not for callers')
  const denied = await call(pair.outboundPort, '/a/../open/%73ecret?x')
  t.match(denied, { status: 403, body: 'RBAC: access denied' }, 'the path is judged as it would be forwarded')
  t.match(pair.callee.report().localReplies, [{ direction: 'inbound', reason: 'AUTHORIZATION_DENIED', count: 2 }])
  const [allowed, none, rule] = await pair.lines()
  t.match(allowed, { response_code: 200, weft_rule: 'default/readers rule 0', weft_reason: 'OK' })
  t.match(none, {
    response_code: 403,
    response_flags: '-',
    response_code_details: 'rbac_access_denied_matched_policy[none]',
    weft_reason: 'AUTHORIZATION_DENIED',
    weft_rule: null,
  })
  t.match(rule, {
    response_code_details: 'rbac_access_denied_matched_policy[ns[default]-policy[secrets]-rule[0]]',
    weft_rule: 'default/secrets rule 0',
    weft_detail: 'denied by default/secrets rule 0',
  })
})

t.test('a caller of gRPC is told by its own status', async t => {
  const port = await anHttpServer(t, ok)
  const pair = await aPair(t, port, policiesOf(anAuthorization('nobody', {})))
  const session = connectHttp2(`http://127.0.0.1:${pair.outboundPort}`)
  t.teardown(() => session.destroy())
  const head = {
    ':method': 'POST',
    ':path': '/x/Y',
    ':authority': 'api.default.mesh',
    'content-type': 'application/grpc',
  }
  const stream = session.request({ ...head, te: 'trailers' })
  stream.end()
  const answer = await new Promise(resolve => stream.on('response', resolve))
  t.match(answer, { ':status': 200, 'grpc-status': '7' })
})

t.test('a response that is under way is cut when a policy forbids its request', async t => {
  let served = 0
  const port = await anHttpServer(t, (_incoming, outgoing) => {
    served += 1
    outgoing.write('the beginning')
  })
  const pair = await aPair(t, port, policiesOf())
  const sockets = ['/one', '/two'].map(path => {
    const socket = connect(pair.outboundPort, '127.0.0.1')
    t.teardown(() => socket.destroy())
    const seen = { text: '', isOver: false }
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      seen.text += chunk
    })
    socket.on('close', () => {
      seen.isOver = true
    })
    socket.write(`GET ${path} HTTP/1.1\r\nhost: api.default.mesh\r\n\r\n`)
    return seen
  })
  const [one, two] = sockets
  await until('both have begun', () => sockets.every(({ text }) => text.includes('the beginning')))
  const denied = anAuthorization('one', { action: 'DENY', rules: [{ to: [{ operation: { paths: ['/one'] } }] }] })
  pair.callee.config(calleeConfig(pair, port, policiesOf(denied)))
  await until('the one is cut', () => one?.isOver === true)
  t.equal(two?.isOver, false)
  t.equal(served, 2)
  t.match(await call(pair.outboundPort, '/one'), { status: 403 })
  const over = (await pair.lines()).find(({ weft_reason }) => weft_reason === 'AUTHORIZATION_DENIED')
  t.match(over, { path: '/one', weft_detail: 'denied by default/one rule 0' })
})

t.test('policies of dry runs and of AUDIT change nothing, and are counted and logged', async t => {
  const port = await anHttpServer(t, ok)
  const audit = anAuthorization('seen', { action: 'AUDIT', rules: [{}] })
  const dry = anAuthorization('dry', { action: 'DENY', rules: [{ ...fromCaller('web') }] }, { dryRun: true })
  const pair = await aPair(t, port, policiesOf(audit, dry))
  t.match(await call(pair.outboundPort, '/'), { status: 200 })
  t.match(await call(pair.outboundPort, '/'), { status: 200 })
  const counted = [{ policy: 'AuthorizationPolicy default/dry', verdict: 'denied', count: 2 }]
  t.same(pair.callee.report().dryRuns, counted)
  const [line] = await pair.lines()
  t.match(line, { weft_audit: 'default/seen rule 0', weft_dry_run: 'would be denied by default/dry rule 0' })
})

t.test('a token that nobody accepts is refused with a challenge, and none at all is not', async t => {
  const port = await anHttpServer(t, ok)
  const rules = { jwtRules: [{ issuer: 'https://id.example', jwks: '{"keys":[]}' }] }
  const pair = await aPair(t, port, tokensOf('login', rules))
  t.match(await call(pair.outboundPort, '/'), { status: 200 })
  const refused = await call(pair.outboundPort, '/x?y', { headers: { authorization: 'Bearer a.b.c' } })
  t.match(refused, { status: 401, body: /^Jwt / })
  t.equal(refused.headers['www-authenticate'], 'Bearer realm="https://api.default.mesh/x", error="invalid_token"')
  t.match(refused.headers['weft-reason'], /^TOKEN_REFUSED Jwt /)
  const [, line] = await pair.lines()
  t.match(line, { weft_rule: 'default/login rule 0', response_code_details: /^jwt_authn_access_denied\{Jwt_/ })
})

t.test('a dry run of tokens refuses none, and says what it would', async t => {
  const port = await anHttpServer(t, ok)
  const rules = { jwtRules: [{ issuer: 'https://id.example', jwks: '{"keys":[]}' }] }
  const pair = await aPair(t, port, tokensOf('login', rules, true))
  t.match(await call(pair.outboundPort, '/', { headers: { authorization: 'Bearer a.b.c' } }), { status: 200 })
  t.match(pair.callee.report().dryRuns, [
    { policy: 'RequestAuthentication default/login', verdict: 'denied', count: 1 },
  ])
  const [line] = await pair.lines()
  t.match(line, { weft_dry_run: /^the token would be refused \(Jwt .*\) by default\/login rule 0$/ })
})

t.test('callers in plaintext have no identity, whatever they say, and their address is the connection’s', async t => {
  const seen: string[] = []
  const port = await anHttpServer(t, (incoming, outgoing) => {
    seen.push(...incoming.rawHeaders)
    ok(incoming, outgoing)
  })
  const { core, port: inbound } = await aThread(
    t,
    { kind: 'inbound-plaintext' },
    { originalDst: { address: '127.0.0.1', port } },
  )
  const ports = [{ port, protocol: 'http', mtls: 'PERMISSIVE', mtlsFrom: 'default', service: 'default/api' } as const]
  const api = aWorkload({ id: 'static/api', name: 'api', address: '127.0.0.1', identity: identityOf('api'), ports })
  const apply = (policies: PolicyConfig) => core.config(aConfig({ workloads: [api], policies }))
  const headers = {
    'X-Forwarded-Client-Cert': `URI=${identityOf('web')}`,
    'x-FORWARDED-client-CERT': 'again',
    'X-Weft-Source': 'web',
    'weft-identity': 'web',
    'x-forwarded-for': '10.9.9.9',
  }
  apply(policiesOf(anAuthorization('web', { rules: [fromCaller('web')] })))
  t.match(await call(inbound, '/', { headers }), { status: 403 })
  const ipBlocks = (blocks: string[]) =>
    policiesOf(anAuthorization('near', { rules: [{ from: [{ source: { ipBlocks: blocks } }] }] }))
  apply(ipBlocks(['10.9.9.0/24']))
  t.match(await call(inbound, '/', { headers }), { status: 403 })
  apply(ipBlocks(['127.0.0.1']))
  t.match(await call(inbound, '/', { headers }), { status: 200 })
  const spoofed = (name: string) => /client.cert|weft/i.test(name)
  t.same(seen.filter(spoofed), [])
  apply(policiesOf(anAuthorization('behind', { rules: [{ from: [{ source: { remoteIpBlocks: ['10.9.9.9'] } }] }] })))
  t.match(await call(inbound, '/', { headers }), { status: 200 })
})

t.test('the application is told one caller, however another is spelt', async t => {
  const seen: { readonly headers: string[]; readonly trailers: string[] }[] = []
  const port = await anHttpServer(t, (incoming, outgoing) => {
    incoming.resume()
    incoming.on('end', () => {
      seen.push({ headers: incoming.rawHeaders, trailers: incoming.rawTrailers })
      outgoing.end('ok')
    })
  })
  const pair = await aPair(t, port, policiesOf())
  const spellings = ['x-forwarded-client-cert', 'X-Forwarded-Client-Cert', 'weft-identity', 'X-WEFT-Source']
  const fields = spellings.map(name => `${name}: URI=spiffe://mesh.local/ns/default/sa/admin\r\n`).join('')
  const say = (extra: string) =>
    new Promise<string>(resolve => {
      const socket = connect(pair.outboundPort, '127.0.0.1')
      let text = ''
      socket.on('data', (chunk: Buffer) => {
        text += chunk
      })
      socket.on('close', () => resolve(text))
      const head = `POST / HTTP/1.1\r\nhost: api.default.mesh\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n${extra}`
      socket.write(`${head}\r\n1\r\nx\r\n0\r\n${fields}x-t: kept\r\n\r\n`)
    })
  t.match(await say(`connection: close\r\n${fields}`), /^HTTP\/1.1 200/)
  for (const { headers, trailers } of seen) {
    const own = headers.flatMap((name, at) => (/client.cert|weft/i.test(name) ? [headers[at + 1] ?? ''] : []))
    t.equal(own.length, 1)
    t.match(own[0], /^By=spiffe:\/\/mesh.local\/ns\/default\/sa\/api;Hash=[0-9a-f]{64};Subject="";URI=spiffe:.*\/web$/)
    t.notMatch(trailers.join(), /admin/)
  }
  t.equal(seen.length, 1)
  t.match(await say('connection: close, x-forwarded-client-cert\r\n'), /^HTTP\/1.1 400/)
  t.match(await say(`connection: close\r\nx_forwarded_client_cert: URI=admin\r\n`), /^HTTP\/1.1 400/)
})
