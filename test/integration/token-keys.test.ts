import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { compileRequestAuthentication } from '../../mesh/policy/request-authentication.ts'
import type { StatusView } from '../../server/api/routes-status.ts'
import type { ServerConfig } from '../../server/config.ts'
import { eventually } from '../support/eventually.ts'
import { httpOnce } from '../support/http-json.ts'
import { connectAgent, joinHost, type MeshAgent } from '../support/mesh-agent.ts'
import { startTestServer, type TestServer, testServerConfig } from '../support/server.ts'
import { bearer, jwksOf, signingKey, token, tokenRequest } from '../support/tokens.ts'
import { localhostCertificate, says, urlServer } from '../support/url-server.ts'

const services = `
services:
  - { name: api, ports: { http: 80 } }
workloads:
  - { name: api-1, node: vm-1, address: 10.0.0.1, serviceAccount: api, services: { api: 8080 } }
`
const api = { namespace: 'default', labels: {}, services: ['default/api'] }
const key = signingKey('ES256', 'one')
const next = signingKey('ES256', 'two')

function policy(rule: object): string {
  const metadata = { name: 'tokens', namespace: 'default' }
  return JSON.stringify({
    apiVersion: 'security.istio.io/v1',
    kind: 'RequestAuthentication',
    metadata,
    spec: { jwtRules: [rule] },
  })
}

function configFor(t: Test, outboundUrls: Partial<ServerConfig['outboundUrls']> = {}): ServerConfig {
  const folder = t.testdir()
  const directory = join(folder, 'registry')
  mkdirSync(directory)
  writeFileSync(join(directory, 'api.yaml'), services)
  const registry = { name: 'files', kind: 'static', directory }
  const outbound = { allow: ['127.0.0.0/8', '::1'], authoritiesFile: '', ...outboundUrls }
  return testServerConfig(join(folder, 'data'), [registry], { outboundUrls: outbound })
}

async function joined(server: TestServer) {
  const { token } = await server.api.post<{ token: string }>('/v1/tokens', JSON.stringify({ node: 'vm-1' }))
  return joinHost(server.running.addresses.api ?? '', token)
}

async function agentOf(t: Test, server: TestServer, host: Awaited<ReturnType<typeof joined>>): Promise<MeshAgent> {
  const address = server.running.addresses.websocket ?? ''
  const agent = await connectAgent({ transport: 'websocket', address, joined: host })
  t.teardown(() => agent.close())
  return agent
}

/** What the agent's own rules make of a token that is signed by the key. */
async function judge(agent: MeshAgent, by: typeof key, issuer: string): Promise<string> {
  const config = agent.applied.at(-1)?.config
  assert.ok(config !== undefined)
  const authentication = compileRequestAuthentication(config.policies, api)
  assert.ok(authentication !== undefined)
  const text = token(by, { iss: issuer, sub: 'ann' })
  const outcome = await authentication.authenticate(tokenRequest(bearer(text)), Date.now())
  return outcome.kind === 'refused' ? outcome.reason : outcome.kind
}

t.test('keys are fetched by the issuer that a policy names, and reach the agents', async t => {
  const certificate = localhostCertificate(t)
  const config = configFor(t)
  const authoritiesFile = join(config.dataDir, '..', 'authorities.pem')
  writeFileSync(authoritiesFile, certificate.cert)
  const idp = await urlServer(
    t,
    (request, response) => {
      const metadata = JSON.stringify({ issuer: idp.origin, jwks_uri: `${idp.origin}/keys` })
      says(request.url === '/keys' ? jwksOf(key) : metadata)(request, response)
    },
    certificate,
  )
  const outboundUrls = { ...config.outboundUrls, authoritiesFile }
  const server = await startTestServer({ ...config, outboundUrls })
  t.teardown(() => server.running.stop())
  const agent = await agentOf(t, server, await joined(server))
  await server.api.post('/v1/resources?file=tokens.json', policy({ issuer: idp.origin }))
  await eventually(async () => assert.equal(await judge(agent, key, idp.origin), 'verified'))
  t.match(await judge(agent, next, idp.origin), /Jwks doesn't have key/)
  const { tokenKeys = [] } = await server.api.get<StatusView>('/v1/status')
  t.match(tokenKeys, [{ uri: idp.origin, state: 'fresh' }])
  const { body } = await httpOnce('GET', `http://${server.running.addresses.metrics}/metrics`)
  t.match(body, 'weft_server_token_keys{state="fresh"} 1')
  t.match(body, /weft_server_token_key_fetches_total\{result="success"\} 1/)
})

t.test('the keys outlive a restart of the server while nobody answers for them', async t => {
  const config = configFor(t)
  const idp = await urlServer(t, says(jwksOf(key)))
  const first = await startTestServer(config)
  const host = await joined(first)
  await first.api.post('/v1/resources?file=tokens.json', policy({ issuer: 'idp', jwksUri: `${idp.origin}/keys` }))
  const before = await agentOf(t, first, host)
  await eventually(async () => assert.equal(await judge(before, key, 'idp'), 'verified'))
  await before.close()
  await first.running.stop()
  idp.answer = says('down', 500)
  const second = await startTestServer(config)
  t.teardown(() => second.running.stop())
  const agent = await agentOf(t, second, host)
  await eventually(async () => assert.equal(await judge(agent, key, 'idp'), 'verified'))
  await eventually(async () => {
    const { tokenKeys = [] } = await second.api.get<StatusView>('/v1/status')
    assert.deepEqual(
      tokenKeys.map(({ state }) => state),
      ['stale'],
    )
    assert.match(tokenKeys[0]?.reason ?? '', /statusCode 500/)
  })
})

t.test(
  'without the permission of the operator nothing on the own host is asked, and every token is refused',
  async t => {
    const idp = await urlServer(t, says(jwksOf(key)))
    const server = await startTestServer(configFor(t, { allow: [] }))
    t.teardown(() => server.running.stop())
    const agent = await agentOf(t, server, await joined(server))
    await server.api.post('/v1/resources?file=tokens.json', policy({ issuer: 'idp', jwksUri: `${idp.origin}/keys` }))
    await eventually(async () => assert.match(await judge(agent, key, 'idp'), /any valid public key/))
    await eventually(async () => {
      const { tokenKeys = [] } = await server.api.get<StatusView>('/v1/status')
      assert.match(tokenKeys[0]?.reason ?? '', /leads to a loopback address/)
    })
    t.same(idp.asked, [])
  },
)
