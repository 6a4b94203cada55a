import { once } from 'node:events'
import type { Socket } from 'node:net'
import { clientPreface, flag, frameType } from '../../agent/dataplane/h2/frames.ts'
import { HpackDecoder } from '../../agent/dataplane/h2/hpack/decoder.ts'
import { until } from './eventually.ts'
import { block, RawPeer } from './h2-raw.ts'

/** What is attacked: anything that serves HTTP/2 in the clear to whoever connects. */
export interface AttackTarget {
  connect(): Promise<Socket>
  /** Lets so much time pass for the target: on its clock where that is the test's, really where it is not. */
  pass(ms: number): Promise<void>
  /** A name that is served: `/` with any answer, `/large` with a body of 4 MiB, or, to a POST, with none. */
  readonly authority: string
  /** What every request must have besides. */
  readonly fields?: readonly string[]
}

/** What became of an attack, with RFC 9113's codes; `served`: the target went on as if nothing was. */
export type Verdict = `status ${string}` | `reset ${number}` | `goaway ${number}` | 'closed' | 'served'

/** One connection of an attacker, with what came back. */
export class AttackSession extends RawPeer {
  readonly target: AttackTarget
  readonly socket: Socket
  readonly #decoder = new HpackDecoder({ tableSize: 4096, maxListBytes: 1e6, maxPairs: 1000, remembers: false })
  #decoded = 0
  readonly #statuses = new Map<number, string>()

  constructor(socket: Socket, target: AttackTarget) {
    super(socket, socket, 0)
    this.socket = socket
    this.target = target
  }

  /** A GET's head, or another one, with more fields. */
  request(fields: readonly string[] = [], pseudo: Readonly<Record<string, string>> = {}): Buffer {
    const head = { ':method': 'GET', ':scheme': 'http', ':authority': this.target.authority, ':path': '/', ...pseudo }
    return block(...Object.entries(head).flat(), ...(this.target.fields ?? []), ...fields)
  }

  statusOf(streamId: number): string | undefined {
    for (const { type, streamId: id, payload } of this.frames.slice(this.#decoded)) {
      this.#decoded += 1
      if (type !== frameType.headers) continue
      const list = this.#decoder.decode(payload)
      if (!this.#statuses.has(id)) this.#statuses.set(id, typeof list === 'string' ? list : (list[1] ?? ''))
    }
    return this.#statuses.get(streamId)
  }

  /** How the whole connection ended, undefined while it is open. */
  get end(): Verdict | undefined {
    const goaway = this.of(frameType.goaway).find(frame => frame.payload.readUInt32BE(4) !== 0)
    if (goaway !== undefined) return `goaway ${goaway.payload.readUInt32BE(4)}`
    return this.ended ? 'closed' : undefined
  }

  /** Waits for what becomes of a stream. */
  async verdict(streamId: number): Promise<Verdict> {
    let verdict: Verdict | undefined
    await until(`stream ${streamId} is judged`, () => {
      const status = this.statusOf(streamId)
      const reset = this.of(frameType.rstStream, streamId)[0]
      if (status !== undefined) verdict = `status ${status}`
      else if (reset !== undefined) verdict = `reset ${reset.payload.readUInt32BE(0)}`
      else verdict = this.end
      return verdict !== undefined
    })
    return verdict ?? 'closed'
  }

  /** Waits for the end of the connection, or for the answer to a harmless request, which shows that it goes on. */
  async aftermath(streamId: number): Promise<Verdict> {
    this.headers(streamId, this.request(), true)
    await until('the connection ends or goes on', () => {
      return this.end !== undefined || this.statusOf(streamId) !== undefined
    })
    return this.end ?? 'served'
  }
}

/** Connects and, unless told to be silent, says what a client says first. */
export async function attackSession(
  target: AttackTarget,
  manner: 'polite' | 'silent' = 'polite',
): Promise<AttackSession> {
  const socket = await target.connect()
  socket.on('error', () => {})
  if (socket.connecting) await once(socket, 'connect')
  socket.setNoDelay(true)
  const session = new AttackSession(socket, target)
  if (manner === 'silent') return session
  session.sendBytes(clientPreface)
  session.send(frameType.settings, 0, 0)
  session.send(frameType.settings, flag.ack, 0)
  await until('settings are acknowledged', () => session.of(frameType.settings).some(frame => frame.flags === flag.ack))
  return session
}
