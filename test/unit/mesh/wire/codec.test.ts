import t from 'tap'
import {
  decodeAgentMessage,
  decodeServerMessage,
  encodeAgentMessage,
  encodeServerMessage,
} from '../../../../mesh/wire/codec.ts'
import { type AgentMessage, maxMessageBytes, type ServerMessage } from '../../../../mesh/wire/messages.ts'
import { schema } from '../../../../mesh/wire/schema.ts'
import { aFlow } from '../../../support/flows.ts'

const hash = '0123456789abcdef0123456789abcdef'

const agentMessages: readonly AgentMessage[] = [
  {
    kind: 'hello',
    protocol: 1,
    agentVersion: '0.1.0',
    have: [{ name: 'service/shop/api', hash }],
    facts: { kernel: '6.18', cpus: '4' },
    capabilities: ['policy-dry-run', 'flight'],
  },
  { kind: 'hello', protocol: 0, agentVersion: '', have: [], facts: {}, capabilities: [] },
  { kind: 'ack', version: Number.MAX_SAFE_INTEGER },
  { kind: 'nack', version: 0, rejected: [{ name: 'host', reason: 'no such prefix' }] },
  { kind: 'ping', id: 1 },
  { kind: 'pong', id: 1 },
  { kind: 'sign-request', id: 3, identity: 'spiffe://mesh.test/ns/shop/sa/api', csr: Buffer.from([1, 2, 3]) },
  { kind: 'report', health: [], registrations: [] },
  {
    kind: 'report',
    health: [],
    registrations: [],
    flows: [aFlow(), aFlow({ caller: '', protocol: 'tcp', method: '', path: '', allowed: false, count: 0 })],
  },
  {
    kind: 'report',
    health: [],
    registrations: [],
    certificates: [{ identity: 'spiffe://mesh.test/mesh/agent/vm-1', root: 'ab'.repeat(32) }],
  },
  {
    kind: 'report',
    health: [
      { workload: 'static/api-1', healthy: true, reason: '' },
      { workload: 'static/api-2', healthy: false, reason: 'tcp 10.0.0.7:8080: connection refused' },
    ],
    registrations: [
      { group: 'shop/api', name: 'api-1', address: '10.0.0.7', ports: { http: 8080 }, maintenance: '' },
      { group: 'shop/api', name: 'api-2', address: 'fd00::7', ports: {}, maintenance: 'disk swap' },
    ],
  },
]

const serverMessages: readonly ServerMessage[] = [
  { kind: 'welcome', protocol: 1, serverVersion: '0.1.0', serverName: 'server-1' },
  {
    kind: 'push',
    version: 2 ** 40,
    full: true,
    changed: [{ name: 'host', hash, body: Buffer.from([0, 255]) }],
    removed: [],
  },
  { kind: 'push', version: 1, full: false, changed: [], removed: ['service/shop/api', 'service/shop/web'] },
  { kind: 'ping', id: 1 },
  { kind: 'pong', id: 1 },
  { kind: 'sign-response', id: 3, chain: ['-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n'] },
  { kind: 'sign-response', id: 3, chain: [], error: { code: 'WEFT_CSR_REFUSED', reason: 'no' } },
  { kind: 'refused', code: 'WEFT_WIRE', reason: 'the agent speaks protocol 9' },
]

t.test('every message comes back as it was sent', async t => {
  for (const message of agentMessages) t.same(decodeAgentMessage(encodeAgentMessage(message)), message, message.kind)
  for (const message of serverMessages) t.same(decodeServerMessage(encodeServerMessage(message)), message, message.kind)
})

t.test('malformed messages are refused with the path of the field', async t => {
  const agent = (message: object) => () => decodeAgentMessage(schema().agentMessage.encode(message))
  const server = (message: object) => () => decodeServerMessage(schema().serverMessage.encode(message))
  const longName = 'x'.repeat(1025)
  const resource = { name: 'host', hash, body: Buffer.alloc(0) }
  const registration = { group: 'shop/api', name: 'api-1', address: '10.0.0.7' }
  const health = { workload: 'static/api-1' }
  const many = (count: number) => Array.from({ length: count }, (_, at) => at)
  const reports: readonly [object, string][] = [
    [{ health: [{ workload: '' }] }, 'health[0].workload'],
    [{ health: [health, health] }, 'health'],
    [{ health: many(10_001).map(at => ({ workload: `w${at}` })) }, 'health'],
    [{ registrations: [registration, registration] }, 'registrations'],
    [{ registrations: many(1001).map(at => ({ ...registration, name: `w${at}` })) }, 'registrations'],
    [{ registrations: [{ ...registration, name: 'Api_1' }] }, 'registrations[0].name'],
    [{ registrations: [{ ...registration, group: 'api' }] }, 'registrations[0].group'],
    [{ registrations: [{ ...registration, address: 'api.example' }] }, 'registrations[0].address'],
    [{ registrations: [{ ...registration, ports: { http: 0 } }] }, 'registrations[0].ports.http'],
  ]
  const wrong: readonly [() => unknown, string][] = [
    [agent({}), 'message'],
    [agent({ ack: { version: '9007199254740992' } }), 'message.ack.version'],
    [agent({ hello: { have: [{ name: '', hash }] } }), 'message.hello.have[0].name'],
    [agent({ hello: { have: [{ name: longName, hash }] } }), 'message.hello.have[0].name'],
    [agent({ hello: { have: [{ name: 'a\u001b[2J', hash }] } }), 'message.hello.have[0].name'],
    [agent({ hello: { have: [{ name: 'host', hash: 'ABC' }] } }), 'message.hello.have[0].hash'],
    [
      agent({
        hello: {
          have: [
            { name: 'host', hash },
            { name: 'host', hash },
          ],
        },
      }),
      'message.hello',
    ],
    [
      agent({ hello: { facts: Object.fromEntries(Array.from({ length: 257 }, (_, at) => [`f${at}`, ''])) } }),
      'message.hello.facts',
    ],
    [agent({ hello: { facts: { kernel: 'a\nb' } } }), 'message.hello.facts.kernel'],
    [agent({ signRequest: { identity: '' } }), 'message.signRequest.identity'],
    [agent({ signRequest: { identity: 'x', csr: Buffer.alloc(65 * 1024) } }), 'message.signRequest.csr'],
    ...reports.map(([report, field]): [() => unknown, string] => [agent({ report }), `message.report.${field}`]),
    [server({}), 'message'],
    [server({ push: { removed: [''] } }), 'message.push.removed[0]'],
    [server({ push: { changed: [resource, resource] } }), 'message.push'],
    [server({ signResponse: { chain: Array.from({ length: 17 }, () => 'x') } }), 'message.signResponse.chain'],
  ]
  for (const [decode, field] of wrong) t.throws(decode, { code: 'WEFT_WIRE', fields: { field } }, field)
})

t.test('two messages in one are refused', async t => {
  const ping = encodeAgentMessage({ kind: 'ping', id: 1 })
  const ack = encodeAgentMessage({ kind: 'ack', version: 1 })
  t.throws(() => decodeAgentMessage(Buffer.concat([ping, ack])), { code: 'WEFT_WIRE' })
})

t.test('a message longer than 32 MiB is neither read nor written', async t => {
  t.throws(() => decodeServerMessage(Buffer.alloc(maxMessageBytes + 1)), { code: 'WEFT_WIRE', message: /longer/ })
  const body = Buffer.alloc(maxMessageBytes)
  const push: ServerMessage = {
    kind: 'push',
    version: 1,
    full: false,
    changed: [{ name: 'host', hash, body }],
    removed: [],
  }
  t.throws(() => encodeServerMessage(push), { code: 'WEFT_WIRE', message: /longer/ })
})

t.test('a short message that would unfold into millions of entries is refused before it is decoded', async t => {
  const entry = Buffer.from([0x1a, 0x00])
  const have = Buffer.concat(Array.from({ length: 300_000 }, () => entry))
  const length = Buffer.from([(have.length & 127) | 128, ((have.length >> 7) & 127) | 128, have.length >> 14])
  const hello = Buffer.concat([Buffer.from([0x0a]), length, have])
  t.throws(() => decodeAgentMessage(hello), { code: 'WEFT_WIRE', message: /too many/ })
  t.throws(() => decodeAgentMessage(Buffer.from([0x7b, 0x7c, 0x0a, 0x00])), { code: 'WEFT_WIRE' }, 'nor behind a group')
})

t.test('fields that a newer peer added are passed over', async t => {
  const ping = encodeAgentMessage({ kind: 'ping', id: 5 })
  const unknown = Buffer.from([0xfa, 0x01, 0x03, 1, 2, 3, 0xf8, 0x06, 0x96, 0x01])
  t.same(decodeAgentMessage(Buffer.concat([ping, unknown])), { kind: 'ping', id: 5 })
})

t.test('reasons are made fit for a terminal and cut to length', async t => {
  const reason = `bad\n\u001b[31m${'x'.repeat(5000)}`
  const read = decodeAgentMessage(
    encodeAgentMessage({ kind: 'nack', version: 1, rejected: [{ name: 'host', reason }] }),
  )
  const text = read.kind === 'nack' ? (read.rejected[0]?.reason ?? '') : ''
  t.equal(text.length, 4096)
  t.match(text, /^bad {2}\[31mxxx/)
})
