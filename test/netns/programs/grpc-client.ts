import { once } from 'node:events'
import { type ClientReadableStream, credentials, Metadata, type ServiceError, type StatusObject } from '@grpc/grpc-js'
import { CallsClient } from './grpc-calls.ts'
import { testBytes } from './test-bytes.ts'

// `node grpc-client.ts HOST PORT` makes calls of every kind, and prints what came of each as a line of JSON.

const [host = '', port = ''] = process.argv.slice(2)
const client = new CallsClient(`${host}:${port}`, credentials.createInsecure(), {
  'grpc.enable_http_proxy': 0,
  'grpc.enable_retries': 0,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
})
const say = (name: string, what: unknown) => console.log(JSON.stringify({ name, what }))

interface Outcome {
  readonly answer: Buffer | undefined
  readonly code: number
  readonly details: string
  readonly header: Metadata | undefined
  readonly trailer: Metadata
}

/** One call with a single answer. */
function unary(name: string, message: Buffer, metadata = new Metadata(), options = {}): Promise<Outcome> {
  return new Promise(resolve => {
    let header: Metadata | undefined
    let answered: Buffer | undefined
    const call = client[name]?.(message, metadata, options, (_error: ServiceError | null, answer?: Buffer) => {
      answered = answer
    })
    call.on('metadata', (received: Metadata) => {
      header = received
    })
    call.on('status', ({ code, details, metadata: trailer }: StatusObject) => {
      // the answer's callback comes in the same turn
      setImmediate(() => resolve({ answer: answered, code, details, header, trailer }))
    })
  })
}

/** Everything that a stream brings, and how it ends. */
async function streamed(call: ClientReadableStream<Buffer>) {
  const messages: string[] = []
  call.on('data', (message: Buffer) => messages.push(String(message)))
  const { code, details } = await statusOf(call)
  return { messages, code, details }
}

/** How a call ends, whether or not that is an error. */
function statusOf(call: Pick<ClientReadableStream<Buffer>, 'on'>): Promise<StatusObject> {
  return new Promise(resolve => {
    call.on('error', () => {})
    call.on('status', resolve)
  })
}

const metadata = new Metadata()
metadata.set('x-said', 'hello')
metadata.set('x-said-bin', Buffer.from([0, 255, 10, 13]))
const { answer, code, header, trailer } = await unary('unary', Buffer.from('hi'), metadata)
say('unary', {
  answer: String(answer),
  code,
  said: header?.get('x-said'),
  bytes: Buffer.from(header?.get('x-said-bin')[0] ?? '').toString('hex'),
  trailer: trailer.get('x-last'),
})

const large = testBytes(8 << 20)
const back = await unary('unary', large)
say('large', back.answer?.equals(large))
say('empty', (await unary('unary', Buffer.alloc(0))).answer?.length)

for (const wanted of [5, 14]) {
  const failed = await unary('fail', Buffer.from(String(wanted)))
  say('fail', { code: failed.code, details: failed.details, why: failed.trailer.get('x-why') })
}

const collected = await new Promise<Buffer | undefined>(resolve => {
  const call = client.collect?.((_error: ServiceError | null, got?: Buffer) => resolve(got))
  for (let at = 0; at < 1000; at += 1) call.write(testBytes(1000))
  call.end()
})
say('collect', String(collected))

const spread = await streamed(client.spread?.(Buffer.from('1000')))
say('spread', { count: spread.messages.length, last: spread.messages.at(-1), code: spread.code })

const chat = client.chat?.()
const heard: string[] = []
for (const word of ['one', 'two', 'three']) {
  chat.write(Buffer.from(word))
  const [message] = await once(chat, 'data')
  heard.push(String(message))
}
const chatEnded = statusOf(chat)
chat.end()
chat.resume()
say('chat', { heard, code: (await chatEnded).code })

say('half', await streamed(client.half?.(Buffer.alloc(0))))
say('absent', (await unary('unary', Buffer.alloc(0), new Metadata(), { host: 'nobody.default.mesh' })).code)

const late = await unary('wait', Buffer.alloc(0), new Metadata(), { deadline: Date.now() + 300 })
// whose clock is first: the client's own says 4, a proxy's that gave up 14
say('deadline', late.code === 4 || late.code === 14)

const cancelled = client.wait?.(Buffer.alloc(0), () => {})
const ended = statusOf(cancelled)
// the server says that it has it before it is taken back: the test writes a line then
process.stdin.once('data', () => cancelled.cancel())
say('waiting', true)
say('cancelled', (await ended).code)
client.close()
process.stdin.destroy()
