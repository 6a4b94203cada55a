import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import t, { type Test } from 'tap'
import { checkGrpc } from '../../../../agent/health/grpc.ts'

const bytes = (message: Buffer) => message
const health: ServiceDefinition = {
  Check: {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  },
}

async function serve(t: Test, implementation?: UntypedServiceImplementation): Promise<number> {
  const server = new Server()
  if (implementation !== undefined) server.addService(health, implementation)
  t.teardown(() => server.forceShutdown())
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    )
  })
}

function ask(port: number, service = '', signal = AbortSignal.timeout(10_000)) {
  return checkGrpc({ kind: 'grpc', port, service }, '127.0.0.1', signal)
}

t.test('SERVING is healthy, every other status is not', async t => {
  const answers = new Map([
    ['', Buffer.from([8, 1])],
    ['api', Buffer.from([8, 2])],
    ['new', Buffer.from([8, 0])],
    ['empty', Buffer.alloc(0)],
    ['gone', Buffer.from([8, 3])],
    ['tomorrow', Buffer.from([8, 77])],
    ['ü'.repeat(100), Buffer.from([8, 1])],
  ])
  const port = await serve(t, {
    Check(call: { request: Buffer }, reply: (error: null, answer: Buffer | undefined) => void) {
      // HealthCheckRequest by hand: the tag, a length of one or two bytes, the name.
      const name = call.request.subarray(call.request.length > 129 ? 3 : 2).toString()
      reply(null, answers.get(name))
    },
  })
  t.same(await ask(port), { healthy: true, reason: '' })
  t.same(await ask(port, 'ü'.repeat(100)), { healthy: true, reason: '' })
  t.same(await ask(port, 'api'), { healthy: false, reason: 'NOT_SERVING' })
  t.same(await ask(port, 'new'), { healthy: false, reason: 'UNKNOWN' })
  t.same(await ask(port, 'empty'), { healthy: false, reason: 'UNKNOWN' })
  t.same(await ask(port, 'gone'), { healthy: false, reason: 'SERVICE_UNKNOWN' })
  t.same(await ask(port, 'tomorrow'), { healthy: false, reason: 'status 77' })
})

t.test('a server without a health service, one that refuses, and none at all are told apart', async t => {
  const port = await serve(t)
  t.match(await ask(port), { healthy: false, reason: /^UNIMPLEMENTED/ })
  const refusing = await serve(t, {
    Check(_call: unknown, reply: (error: object) => void) {
      reply({ code: status.NOT_FOUND, details: 'unknown service' })
    },
  })
  t.same(await ask(refusing, 'x'), { healthy: false, reason: 'NOT_FOUND: unknown service' })
  t.same(await checkGrpc({ kind: 'grpc', port, service: '' }, '127.0.0.2', AbortSignal.timeout(10_000)), {
    healthy: false,
    reason: 'connection refused',
  })
})

t.test('a check that is given up ends', async t => {
  const port = await serve(t, { Check() {} })
  const abort = new AbortController()
  const checking = ask(port, '', abort.signal)
  abort.abort()
  t.match(await checking, { healthy: false, reason: /^CANCELLED/ })
})
