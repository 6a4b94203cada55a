import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import * as grpc from '@grpc/grpc-js'
import t, { type Test } from 'tap'
import { appClientOptions, appServerOptions } from '../../agent/dataplane/h2/app-options.ts'
import { BlockPool } from '../../agent/dataplane/h2/blocks.ts'
import { H2Connection } from '../../agent/dataplane/h2/connection.ts'
import { destinationField } from '../../agent/dataplane/hbone/request-fields.ts'
import type { HttpStream } from '../../agent/dataplane/http/stream.ts'
import { systemClock } from '../../mesh/std/clock.ts'
import { until } from '../support/eventually.ts'
import { aRequestPair } from '../support/request-pair.ts'

/**
 * gRPC from end to end, stream by stream: a gRPC client, HTTP/2 to the agent, a stream of the mesh session, HTTP/2 to the
 * application, a gRPC server.
 */

const blocks = new BlockPool()
const asIs = (bytes: Buffer) => bytes
const method = (path: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${path}`,
  requestStream,
  responseStream,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
})
const definition = {
  unary: method('Unary', false, false),
  many: method('Many', false, true),
  both: method('Both', true, true),
  fail: method('Fail', false, false),
}

async function grpcServer(t: Test, implementation: grpc.UntypedServiceImplementation): Promise<number> {
  const server = new grpc.Server()
  server.addService(definition, implementation)
  t.teardown(() => server.forceShutdown())
  return await new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port)
      else reject(error)
    })
  })
}

/** Joins an exchange that was asked of us and the one that we ask for it. */
function relay(caller: HttpStream, callee: HttpStream): void {
  const pass = (from: HttpStream, to: HttpStream) => {
    let held = 0
    from.onHeaders = (headers, endStream) => to.respond(headers, endStream)
    from.onData = chunk => {
      if (to.write(chunk)) from.consumed(chunk.length)
      else held += chunk.length
    }
    to.onDrain = () => {
      from.consumed(held)
      held = 0
    }
    from.onEnd = () => to.end()
    from.onReset = code => to.reset(code)
  }
  pass(caller, callee)
  pass(callee, caller)
}

/** The whole way; returns a client at its beginning. */
async function wholeWay(t: Test, implementation: grpc.UntypedServiceImplementation) {
  const serverPort = await grpcServer(t, implementation)
  const socket = connect(serverPort, '127.0.0.1')
  await once(socket, 'connect')
  const toApp = new H2Connection(socket, 'client', appClientOptions(systemClock, blocks))
  const { pool, target } = await aRequestPair(t, (stream, headers, endStream) => {
    const onward = toApp.open(headers, endStream)
    if (onward === undefined) return stream.reset(7)
    relay(stream, onward)
  })
  const connections: H2Connection[] = [toApp]
  const agent = createServer(fromApp => {
    const connection = new H2Connection(fromApp, 'server', appServerOptions(systemClock, blocks))
    connections.push(connection)
    connection.onStream = (stream, headers, endStream) => {
      headers.splice(8, 0, destinationField, '127.0.0.1:8080')
      // what comes before the handshake is done stays in the caller's window
      let early: Buffer[] = []
      let ended = false
      stream.onData = chunk => early.push(chunk)
      stream.onEnd = () => {
        ended = true
      }
      pool.request(target, headers, endStream, result => {
        if (result.kind !== 'open') return stream.reset(2)
        relay(stream, result.stream)
        for (const chunk of early) stream.onData?.(chunk)
        early = []
        if (ended) result.stream.end()
      })
    }
  })
  agent.listen(0, '127.0.0.1')
  await once(agent, 'listening')
  const address = agent.address()
  if (address === null || typeof address === 'string') throw new Error('not bound')
  const Client = grpc.makeGenericClientConstructor(definition, 'Echo')
  const client = new Client(`127.0.0.1:${address.port}`, grpc.credentials.createInsecure())
  t.teardown(() => {
    client.close()
    for (const connection of connections) connection.destroy('the test is over')
    agent.close()
  })
  return client
}

const echo: grpc.handleUnaryCall<Buffer, Buffer> = (call, done) => {
  const trailers = new grpc.Metadata()
  trailers.set('x-trailer', 'after')
  const metadata = new grpc.Metadata()
  metadata.set('x-seen', String(call.metadata.get('x-own')[0]))
  metadata.set('x-bytes-bin', Buffer.of(0, 1, 255))
  call.sendMetadata(metadata)
  done(null, call.request, trailers)
}

t.test('a call with metadata both ways and trailers', async t => {
  const client = await wholeWay(t, { unary: echo })
  for (const body of ['hello', 'x'.repeat(300_000), '']) {
    const metadata = new grpc.Metadata()
    metadata.set('x-own', 'value')
    const seen: grpc.Metadata[] = []
    const answer = await new Promise<Buffer>((resolve, reject) => {
      const call = client.makeUnaryRequest(
        definition.unary.path,
        asIs,
        asIs,
        Buffer.from(body),
        metadata,
        (error: grpc.ServiceError | null, value?: Buffer) =>
          error ? reject(error) : resolve(value ?? Buffer.alloc(0)),
      )
      call.on('metadata', (head: grpc.Metadata) => seen.push(head))
      call.on('status', (status: grpc.StatusObject) => seen.push(status.metadata))
    })
    t.equal(answer.toString(), body)
    await until('the trailers are seen', () => seen.length === 2)
    t.strictSame(seen[0]?.get('x-seen'), ['value'])
    t.strictSame(seen[0]?.get('x-bytes-bin'), [Buffer.of(0, 1, 255)])
    t.strictSame(seen[1]?.get('x-trailer'), ['after'])
  }
})

t.test('a status without a message comes as trailers alone', async t => {
  const client = await wholeWay(t, {
    fail: (_call: unknown, done: grpc.sendUnaryData<Buffer>) => {
      done({ code: grpc.status.FAILED_PRECONDITION, details: 'not today: 100 %' })
    },
  })
  await t.rejects(
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(definition.fail.path, asIs, asIs, Buffer.alloc(0), (error: Error | null) =>
        error ? reject(error) : resolve(undefined),
      )
    }),
    { code: grpc.status.FAILED_PRECONDITION, details: 'not today: 100 %' },
  )
})

t.test('a stream of a hundred messages arrives in order', async t => {
  const client = await wholeWay(t, {
    many: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      for (let index = 0; index < 100; index += 1) call.write(Buffer.from(`${index} ${'x'.repeat(10_000)}`))
      call.end()
    },
  })
  const received: string[] = []
  const call = client.makeServerStreamRequest(definition.many.path, asIs, asIs, Buffer.alloc(0))
  call.on('data', (message: Buffer) => received.push(message.toString().split(' ')[0] ?? ''))
  await once(call, 'end')
  t.strictSame(
    received,
    Array.from({ length: 100 }, (_, index) => String(index)),
  )
})

t.test('both sides talk at the same time, and a caller that goes away is noticed', async t => {
  let cancelled = false
  const client = await wholeWay(t, {
    both: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (message: Buffer) => call.write(Buffer.from(message.toString().toUpperCase())))
      call.on('cancelled', () => {
        cancelled = true
      })
      call.on('error', () => {})
    },
  })
  const call = client.makeBidiStreamRequest(definition.both.path, asIs, asIs)
  call.on('error', () => {})
  let text = ''
  call.on('data', (message: Buffer) => {
    text += message.toString()
  })
  call.write(Buffer.from('one '))
  await until('the first came back', () => text === 'ONE ')
  call.write(Buffer.from('two'))
  await until('the second came back', () => text === 'ONE TWO')
  call.cancel()
  await until('the server knows', () => cancelled)
  t.pass()
})
