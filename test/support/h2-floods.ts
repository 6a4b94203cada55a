import { flag, frameType, h2Error } from '../../agent/dataplane/h2/frames.ts'
import { type AttackSession, attackSession, type Verdict } from './h2-attack-session.ts'
import type { Attack } from './h2-attacks.ts'
import { frameBytes, numbers, settingsPayload } from './h2-raw.ts'

const { continuation, data, headers, ping, priority, rstStream, settings, windowUpdate } = frameType
const calm = `goaway ${h2Error.enhanceYourCalm}` as const

/** An attack by number: sent at once, then the connection has ended, or serves a harmless request. */
function flood(name: string, expect: readonly Verdict[], send: (session: AttackSession) => void): Attack {
  return {
    name,
    expect,
    async run(target) {
      const session = await attackSession(target)
      send(session)
      const verdict = await session.aftermath(1_000_001)
      session.socket.destroy()
      return verdict
    },
  }
}

function repeated(count: number, bytes: Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => bytes))
}

/** Floods: many cheap frames that cost the other side more. */
export const floods: readonly Attack[] = [
  flood('rapid reset', [calm], session => {
    const head = session.request()
    const frames: Buffer[] = []
    for (let id = 1; id < 10_000; id += 2) {
      frames.push(frameBytes(headers, flag.endHeaders, id, head), frameBytes(rstStream, 0, id, numbers(h2Error.cancel)))
    }
    session.sendBytes(Buffer.concat(frames))
  }),
  flood('resets that the server is made to send', [calm], session => {
    const head = session.request([], { ':method': 'POST', ':path': '/large' })
    for (let id = 1; id < 800; id += 2) {
      session.headers(id, head)
      session.send(windowUpdate, 0, id, numbers(0))
    }
  }),
  {
    name: 'more streams than are allowed',
    expect: [`reset ${h2Error.refusedStream}`],
    async run(target) {
      const session = await attackSession(target)
      const head = session.request(['content-length', '1'], { ':method': 'POST', ':path': '/large' })
      for (let id = 1; id < 300; id += 2) session.headers(id, head)
      const verdict = await session.verdict(299)
      session.socket.destroy()
      return verdict
    },
  },
  {
    name: 'a header bomb: one large table entry, referred to on a hundred streams',
    expect: ['status 431', calm, `goaway ${h2Error.compression}`],
    async run(target) {
      const session = await attackSession(target)
      const head = session.request([], { ':method': 'POST', ':path': '/large' }).subarray(1)
      const entry = Buffer.concat([Buffer.of(0x40, 1, 0x61, 0x7f, 0xa1, 0x1d), Buffer.alloc(3872, 0x62)])
      session.headers(1, Buffer.concat([head, entry]))
      const bomb = Buffer.concat([head, repeated(90, Buffer.of(0xbe))])
      for (let id = 3; id < 203; id += 2) session.headers(id, bomb)
      const verdict = await session.verdict(201)
      session.socket.destroy()
      return verdict
    },
  },
  {
    name: 'heads that are kept waiting, of sixty kilobytes each',
    expect: [`reset ${h2Error.refusedStream}`, calm],
    async run(target) {
      const session = await attackSession(target)
      const large = Array.from({ length: 6 }, (_, at) => [`x-${at}`, 'v'.repeat(9_000)]).flat()
      const head = session.request(large, { ':method': 'POST', ':path': '/large' })
      for (let id = 1; id < 120; id += 2) sendInParts(session, id, head)
      const verdict = await session.verdict(119)
      session.socket.destroy()
      return verdict
    },
  },
  flood('CONTINUATION without content', [calm], session => {
    session.send(headers, 0, 1, session.request())
    session.sendBytes(repeated(20_000, frameBytes(continuation, 0, 1)))
  }),
  flood('CONTINUATION without end', [calm], session => {
    session.send(headers, 0, 1, session.request())
    session.sendBytes(repeated(20, frameBytes(continuation, 0, 1, Buffer.alloc(16_384, 0x88))))
  }),
  flood('PING', [calm], session => session.sendBytes(repeated(20_000, frameBytes(ping, 0, 0, Buffer.alloc(8))))),
  flood('SETTINGS', [calm], session => {
    session.sendBytes(repeated(20_000, frameBytes(settings, 0, 0, settingsPayload([4, 1000]))))
  }),
  flood('DATA without data', [calm], session => {
    session.headers(1, session.request([], { ':method': 'POST', ':path': '/large' }))
    session.sendBytes(repeated(20_000, frameBytes(data, 0, 1)))
  }),
  flood('WINDOW_UPDATE', [calm], session => {
    session.sendBytes(repeated(20_000, frameBytes(windowUpdate, 0, 0, numbers(1))))
  }),
  flood('PRIORITY', ['served'], session => {
    session.sendBytes(repeated(20_000, frameBytes(priority, 0, 7, Buffer.alloc(5))))
  }),
  flood('frames of types nobody knows', ['served'], session => {
    session.sendBytes(repeated(2_000, frameBytes(0x77, 0xff, 7, Buffer.alloc(500))))
  }),
]

/** A header block as HEADERS and CONTINUATION frames. */
function sendInParts(session: AttackSession, streamId: number, head: Buffer): void {
  const part = 16_384
  for (let at = 0; at < head.length; at += part) {
    const last = at + part >= head.length ? flag.endHeaders : 0
    session.send(at === 0 ? headers : continuation, last, streamId, head.subarray(at, at + part))
  }
}
