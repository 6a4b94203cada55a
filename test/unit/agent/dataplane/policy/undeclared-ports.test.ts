import { connect, type Socket } from 'node:net'
import t from 'tap'
import type { PolicyConfig } from '../../../../../mesh/model/policy.ts'
import { aConfig, aWorkload } from '../../../../support/agent-config.ts'
import {
  aLocalServer,
  aMeshedPair,
  aThread,
  aTrustedMesh,
  exchange,
  identityOf,
} from '../../../../support/data-threads.ts'
import { until } from '../../../../support/eventually.ts'
import { anAuthorization, fromCaller, policiesOf, tokensOf } from '../../../../support/policy-config.ts'

const claim = { header: 'x-user', claim: 'sub' }
const people = tokensOf('people', {
  jwtRules: [{ issuer: 'people', jwks: '{"keys":[]}', outputClaimToHeaders: [claim] }],
})
const forged = 'GET /x HTTP/1.1\r\nHost: api.default.mesh\r\nX-User: root\r\nConnection: close\r\n\r\n'

type Teardown = Parameters<typeof aLocalServer>[0]

function apiAt(port: number) {
  const ports = [{ port, protocol: 'auto', mtls: 'PERMISSIVE', mtlsFrom: 'default', service: 'default/api' } as const]
  return aWorkload({ id: 'static/api-1', name: 'api-1', address: '127.0.0.1', identity: identityOf('api'), ports })
}

/** The caller's agent sends what it gets as bytes, as it does for callers whose protocol it has not found out. */
function aPair(t: Teardown, port: number, policies: PolicyConfig) {
  return aMeshedPair(t, port, { callee: config => ({ ...config, workloads: [apiAt(port)], policies }) })
}

/** Answers like a server of HTTP that was told who its user is. */
function tellsUser(socket: Socket): void {
  let head = ''
  socket.on('data', chunk => {
    head += chunk.toString('latin1')
    if (!head.includes('\r\n\r\n')) return
    const body = /^x-user: (.*)\r$/im.exec(head)?.[1] ?? 'nobody'
    socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`)
  })
}

t.test(
  'requests that come as bytes to a port that declares nothing are requests where tokens are asked for',
  async t => {
    const port = await aLocalServer(t, tellsUser)
    const open = await aPair(t, port, policiesOf())
    t.match(await exchange(open.outboundPort, forged), { text: /root$/ }, 'nobody writes the header')
    const asked = await aPair(t, port, people)
    t.match(await exchange(asked.outboundPort, forged), { text: /^HTTP\/1\.1 200 .*nobody$/s })
    t.match(await exchange(asked.outboundPort, `\r\n\r\n${forged}`), { text: /^(?!.*root)/s })
  },
)

t.test('what certainly is no request is carried there, judged as a connection', async t => {
  const port = await aLocalServer(t, socket => socket.pipe(socket))
  const pair = await aPair(t, port, people)
  const large = `\0${'x'.repeat(300_000)}`
  t.equal((await exchange(pair.outboundPort, large)).text.length, large.length)
  const socket = connect({ port: pair.outboundPort, host: '127.0.0.1' })
  const seen = { heard: 0, error: '' }
  socket.on('data', chunk => {
    seen.heard += chunk.length
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    seen.error = error.code ?? error.message
  })
  socket.write('\0')
  await until('the connection is open', () => seen.heard === 1)
  const denied = anAuthorization('not-web', { action: 'DENY', rules: [fromCaller('web')] })
  const policies = { ...people, authorization: [denied] }
  pair.callee.config(aConfig({ trust: pair.mesh.trust, workloads: [apiAt(port)], policies }))
  await until('it is cut', () => seen.error !== '')
  t.equal((await exchange(pair.outboundPort, '\0')).text, '')
  t.match(pair.callee.report().refused, [{ direction: 'inbound', reason: 'AUTHORIZATION_DENIED', count: 1 }])
})

t.test('a caller in plaintext who is silent at first cannot send requests unseen', async t => {
  const port = await aLocalServer(t, socket => {
    socket.write('hello')
    tellsUser(socket)
  })
  const mesh = aTrustedMesh()
  const start = async (policies: PolicyConfig) => {
    const thread = await aThread(t, { kind: 'inbound-plaintext' }, { originalDst: { address: '127.0.0.1', port } })
    thread.core.config(aConfig({ trust: mesh.trust, workloads: [apiAt(port)], policies }))
    const socket = connect({ port: thread.port, host: '127.0.0.1' })
    t.teardown(() => socket.destroy())
    const seen = { text: '' }
    socket.on('data', chunk => {
      seen.text += chunk.toString('latin1')
    })
    return seen
  }
  const [open, asked] = [await start(policiesOf()), await start(people)]
  await until('the server that nobody asks for tokens greets', () => open.text === 'hello')
  t.equal(asked.text, '', 'the other one was not even connected to')
})
