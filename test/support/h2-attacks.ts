import { clientPreface, flag, frameType, h2Error } from '../../agent/dataplane/h2/frames.ts'
import { until } from './eventually.ts'
import { type AttackSession, type AttackTarget, attackSession, type Verdict } from './h2-attack-session.ts'
import { floods } from './h2-floods.ts'
import { frameBytes, numbers, settingsPayload } from './h2-raw.ts'

/** One way of doing harm by HTTP/2, from the table of the security reference, section 3.2. */
export interface Attack {
  readonly name: string
  run(target: AttackTarget): Promise<Verdict>
  /** Verdicts that are fine. */
  readonly expect: readonly Verdict[]
}

const { data, headers, settings, windowUpdate } = frameType
const protocolError = `reset ${h2Error.protocol}` as const
const calm = `goaway ${h2Error.enhanceYourCalm}` as const
const cancelled = `reset ${h2Error.cancel}` as const

/** A request that must not be served. */
function badRequest(
  name: string,
  fields: readonly string[],
  pseudo: Readonly<Record<string, string>> = {},
  expect: readonly Verdict[] = [protocolError],
): Attack {
  return {
    name,
    expect,
    async run(target) {
      const session = await attackSession(target)
      session.headers(1, session.request(fields, pseudo), true)
      const verdict = await session.verdict(1)
      session.socket.destroy()
      return verdict
    },
  }
}

const refused: readonly Verdict[] = ['status 400']

const badRequests: readonly Attack[] = [
  ...[
    ['connection', 'close'],
    ['keep-alive', 'timeout=5'],
    ['proxy-connection', 'keep-alive'],
    ['upgrade', 'websocket'],
    ['transfer-encoding', 'chunked'],
    ['te', 'gzip'],
    ['X-Upper', 'case'],
    ['a b', 'v'],
    ['a:b', 'v'],
    ['', 'v'],
    ['x-own', ' leading'],
    ['x-own', 'trailing\t'],
    ['content-length', '+5'],
    ['content-length', '5, 5'],
    ['x-own', 'a\r\nb'],
    ['x-own', 'a\nb'],
    ['x-own', 'a\0b'],
  ].map(([name = '', value = '']) =>
    badRequest(`field ${JSON.stringify(name)}: ${JSON.stringify(value)}`, [name, value]),
  ),
  badRequest('an unknown pseudo-header', [], { ':protocol': 'websocket' }),
  badRequest('a pseudo-header after a field', ['x', 'y', ':path', '/']),
  badRequest('two different lengths', ['content-length', '0', 'content-length', '1']),
  badRequest('a length without a body', ['content-length', '5']),
  badRequest('an empty path', [], { ':path': '' }),
  badRequest('a path without a slash', [], { ':path': 'admin' }),
  badRequest('an absolute path', [], { ':path': 'http://other/' }),
  badRequest('a path with a space', [], { ':path': '/a b' }),
  badRequest('a method with a space', [], { ':method': 'GET /' }),
  badRequest('an authority with a slash', [], { ':authority': 'a/b' }),
  badRequest('a scheme that is none', [], { ':scheme': 'http:' }, [protocolError, ...refused]),
  badRequest('CONNECT with a path', [], { ':method': 'CONNECT' }, [protocolError, 'status 405']),
  badRequest('CONNECT for a protocol', [], { ':method': 'CONNECT', ':protocol': 'websocket' }, [
    protocolError,
    'status 405',
  ]),
  badRequest('a host that differs from :authority', ['host', 'other.example'], {}, refused),
  badRequest('two hosts', ['host', 'a', 'host', 'b'], {}, refused),
  badRequest('user information', [], { ':authority': 'user@api' }, refused),
  badRequest('a fragment', [], { ':path': '/user/profile#x' }, refused),
  badRequest('a path with bytes beyond ASCII', [], { ':path': '/caf\u00e9' }, refused),
  badRequest('an authority with bytes beyond ASCII', [], { ':authority': 'caf\u00e9' }, refused),
  badRequest('a method in lower case', [], { ':method': 'get' }, refused),
  badRequest('https in the clear', [], { ':scheme': 'https' }, refused),
  badRequest('two hundred fields', Array.from({ length: 200 }, (_, at) => [`x-${at}`, 'v']).flat(), {}, [
    'status 431',
    calm,
  ]),
  badRequest('a field of a hundred kilobytes', ['x-large', 'v'.repeat(100_000)], {}, [
    calm,
    `goaway ${h2Error.frameSize}`,
  ]),
]

/** Things that are done to bodies, windows and time. */
const stalls: readonly Attack[] = [
  attack('a body where none was declared', [protocolError], async session => {
    session.headers(1, session.request(['content-length', '0'], { ':method': 'POST' }))
    session.send(data, flag.endStream, 1, 'hello')
    return await session.verdict(1)
  }),
  attack('less body than declared', [protocolError], async session => {
    session.headers(1, session.request(['content-length', '50'], { ':method': 'POST' }))
    session.send(data, flag.endStream, 1, 'hello')
    return await session.verdict(1)
  }),
  attack('a window that stays closed', [cancelled], async session => {
    session.send(settings, 0, 0, settingsPayload([4, 0]))
    session.headers(1, session.request([], { ':path': '/large' }), true)
    await until('the response has begun', () => session.statusOf(1) !== undefined)
    await session.target.pass(80_000)
    return await resetOf(session, 1)
  }),
  attack('a window that opens byte by byte', [cancelled], async session => {
    session.send(settings, 0, 0, settingsPayload([4, 0]))
    session.headers(1, session.request([], { ':path': '/large' }), true)
    await until('the response has begun', () => session.statusOf(1) !== undefined)
    for (let round = 0; round < 8; round += 1) {
      session.send(windowUpdate, 0, 1, numbers(1))
      if (session.of(frameType.rstStream).length === 0) await session.settled()
      await session.target.pass(10_000)
    }
    return await resetOf(session, 1)
  }),
  attack('a body that never comes', [cancelled], async session => {
    session.headers(1, session.request(['content-length', '50'], { ':method': 'POST', ':path': '/large' }))
    await session.settled()
    await session.target.pass(380_000)
    return await resetOf(session, 1)
  }),
  attack('a client that reads nothing', ['closed'], async session => {
    session.send(settings, 0, 0, settingsPayload([4, 2 ** 30]))
    session.send(windowUpdate, 0, 0, numbers(2 ** 30))
    await session.settled()
    session.socket.pause()
    for (let index = 0; index < 30; index += 1)
      session.headers(1 + index * 2, session.request([], { ':path': '/large' }), true)
    await until('the kernel takes no more', async () => await isStuck(session))
    await session.target.pass(100_000)
    session.socket.resume()
    await until('the connection is closed', () => session.ended)
    return 'closed'
  }),
  attack('a header block that is never finished', [calm], async session => {
    session.send(headers, 0, 1, session.request())
    return await endWithin(session, 30_000)
  }),
  attack('a HEADERS frame byte by byte', [calm], async session => {
    const bytes = frameBytes(headers, flag.endHeaders, 1, session.request())
    for (let at = 0; at < 12; at += 1) {
      session.sendBytes(bytes.subarray(at, at + 1))
      await session.target.pass(100)
    }
    return await endWithin(session, 30_000)
  }),
  silent('a client that says nothing', '', 11_000),
  silent('a client that says half a preface', clientPreface.slice(0, 12), 11_000),
  silent('a client that never acknowledges', `${clientPreface}\0\0\0\x04\0\0\0\0\0`, 6_000),
]

/** All attacks, for any target. */
export const attacks: readonly Attack[] = [...badRequests, ...floods, ...stalls]

function attack(name: string, expect: readonly Verdict[], run: (session: AttackSession) => Promise<Verdict>): Attack {
  return {
    name,
    expect,
    async run(target) {
      const session = await attackSession(target)
      const verdict = await run(session)
      session.socket.destroy()
      return verdict
    },
  }
}

function silent(name: string, first: string, ms: number): Attack {
  return {
    name,
    expect: [`goaway ${h2Error.protocol}`, `goaway ${h2Error.settingsTimeout}`, 'closed'],
    async run(target) {
      const session = await attackSession(target, 'silent')
      session.sendBytes(Buffer.from(first, 'latin1'))
      await until('the server has spoken', () => session.of(settings).length > 0)
      await target.pass(ms)
      return await session.verdict(1)
    },
  }
}

async function resetOf(session: AttackSession, streamId: number): Promise<Verdict> {
  await until(
    'the stream is given up',
    () => session.end !== undefined || session.of(frameType.rstStream, streamId).length > 0,
  )
  const reset = session.of(frameType.rstStream, streamId)[0]
  return reset === undefined ? (session.end ?? 'served') : `reset ${reset.payload.readUInt32BE(0)}`
}

/** Lets time pass in small steps, so that bytes under way arrive, until the connection ends. */
async function endWithin(session: AttackSession, ms: number): Promise<Verdict> {
  for (let passed = 0; passed < ms && session.end === undefined; passed += 500) await session.target.pass(500)
  await until('the connection ends', () => session.end !== undefined)
  return session.end ?? 'served'
}

/** Whether nothing more has arrived for a while of turns: the target's writes wait in the kernel. */
async function isStuck(session: AttackSession): Promise<boolean> {
  const before = session.socket.bytesRead
  for (let turn = 0; turn < 100; turn += 1) await new Promise(resolve => setImmediate(resolve))
  return session.socket.bytesRead === before
}
