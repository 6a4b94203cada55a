import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { PairReady, PairUse } from '../../../../support/agent-pair-process.ts'
import { aLocalServer } from '../../../../support/data-threads.ts'

/** Bytes of V8's heap that both agents of a call together may spend on one request: what was measured, and 30 % room. */
const bytesPerRequest = 20_500
/** Bytes, in V8's heap and beside it, for a connection that waits for its next request, with the same room. */
const bytesPerIdleConnection = 14_900

const request = [
  'GET /orders/42?full=1 HTTP/1.1',
  'Host: api.default.mesh',
  'User-Agent: budget/1.0',
  'Accept: application/json',
  'Accept-Encoding: gzip',
  'Authorization: Bearer abcdefghijklmnopqrstuvwxyz',
  'X-Request-Id: 6f1c4c5e-0c2a-4f5e-9f4e-2b7e6c1d3a90',
  '\r\n',
].join('\r\n')
const answer = [
  'HTTP/1.1 200 OK',
  'Content-Type: application/json',
  'Cache-Control: no-store',
  'Date: Sun, 01 Jan 2034 00:00:00 GMT',
  'Content-Length: 13',
  '',
  '{"order":42}\n',
].join('\r\n')

/** Both agents of a call in a process of their own, in front of a backend in this one. */
class Pair {
  readonly port: number
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
  }

  static async start(t: Test): Promise<Pair> {
    const backend = await aLocalServer(t, socket => {
      let waiting = ''
      socket.on('data', (chunk: Buffer) => {
        waiting += chunk.toString('latin1')
        for (let end = waiting.indexOf('\r\n\r\n'); end >= 0; end = waiting.indexOf('\r\n\r\n')) {
          waiting = waiting.slice(end + 4)
          socket.write(answer)
        }
      })
      socket.on('end', () => socket.end())
    })
    const program = new URL('../../../../support/agent-pair-process.ts', import.meta.url)
    const child = fork(program, [String(backend)], { execArgv: ['--expose-gc'] })
    t.teardown(() => child.disconnect())
    const [{ port }]: [PairReady] = await told(child)
    return new Pair(child, port)
  }

  async use(): Promise<PairUse> {
    const answered = told<PairUse>(this.#child)
    this.#child.send('use')
    const [use] = await answered
    return use
  }
}

async function told<T>(child: ChildProcess): Promise<[T]> {
  return (await once(child, 'message')) as [T]
}

/** One connection that has made so many requests, one after the other. */
async function aClient(t: Test, port: number, requests: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  let answers = 0
  let text = ''
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`closed after ${answers} answers`)))
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (!text.endsWith('{"order":42}\n')) return
      text = ''
      answers += 1
      if (answers === requests) resolve()
      else socket.write(request)
    })
    socket.write(request)
  })
  return socket
}

t.test('a request costs no more than its budget of memory', async t => {
  const pair = await Pair.start(t)
  const run = (requests: number) => Promise.all(Array.from({ length: 10 }, () => aClient(t, pair.port, requests)))
  await run(300)
  const rounds: number[] = []
  for (let round = 0; round < 3; round += 1) {
    const before = await pair.use()
    await run(300)
    const after = await pair.use()
    rounds.push((after.allocated - before.allocated) / 3_000)
  }
  const bytes = Math.round(Math.min(...rounds))
  t.comment(`${bytes} bytes of heap for each request, in both agents`)
  t.ok(bytes <= bytesPerRequest, `${bytes} of ${bytesPerRequest} bytes`)
})

t.test('a connection that waits costs no more than its budget of memory', async t => {
  const pair = await Pair.start(t)
  for (let index = 0; index < 50; index += 1) await aClient(t, pair.port, 20)
  // the text of a program comes and goes with its code: of several steps the middle one has nothing of that
  const steps: number[] = []
  let before = await pair.use()
  for (let step = 0; step < 5; step += 1) {
    for (let index = 0; index < 200; index += 1) await aClient(t, pair.port, 1)
    const after = await pair.use()
    steps.push((after.held - before.held) / 200)
    before = after
  }
  const bytes = Math.round(steps.toSorted((a, b) => a - b)[2] ?? 0)
  t.comment(`${bytes} bytes for each idle connection; ${before.openConnections} exchanges open`)
  t.equal(before.openConnections, 0, 'no request is under way')
  t.ok(bytes <= bytesPerIdleConnection, `${bytes} of ${bytesPerIdleConnection} bytes`)
})
