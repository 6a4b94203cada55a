import { createSocket } from 'node:dgram'
import { connect, createServer, type Socket } from 'node:net'
import { type DecodedPacket, decode, encode, type RecordType } from 'dns-packet'

/** The bytes of a query with one question. */
export function queryBytes(name: string, type: RecordType = 'A', id = 4242, udpPayloadSize?: number): Buffer {
  const edns = { type: 'OPT', name: '.', udpPayloadSize, flags: 0, options: [], extendedRcode: 0, ednsVersion: 0 }
  return encode({
    type: 'query',
    id,
    flags: 0x0100,
    questions: [{ type, name, class: 'IN' }],
    ...(udpPayloadSize === undefined ? {} : { additionals: [edns as never] }),
  })
}

/** `host:port` or `[host]:port` as its parts. */
export function splitAddress(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':')
  return { host: address.slice(0, at).replace(/[[\]]/g, ''), port: Number(address.slice(at + 1)) }
}

/** Sends bytes over UDP and gives the first answer; undefined when nothing comes in `patienceMs`. */
export function askUdp(address: string, bytes: Buffer, patienceMs = 10_000): Promise<Buffer | undefined> {
  const { host, port } = splitAddress(address)
  return new Promise(resolve => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    const done = (answer?: Buffer) => {
      clearTimeout(timer)
      socket.close()
      resolve(answer)
    }
    const timer = setTimeout(done, patienceMs)
    socket.once('message', done)
    socket.send(bytes, port, host)
  })
}

/** Writes bytes as they are over TCP and gives everything that comes back until `count` messages or the end. */
export function askTcp(address: string, bytes: Buffer, count = 1): Promise<Buffer[]> {
  const { host, port } = splitAddress(address)
  return new Promise(resolve => {
    let heard = Buffer.alloc(0)
    const messages: Buffer[] = []
    const socket: Socket = connect(port, host)
    socket.on('error', () => {})
    socket.on('close', () => resolve(messages))
    socket.on('data', (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk])
      while (heard.length >= 2 && heard.length >= heard.readUInt16BE(0) + 2) {
        messages.push(heard.subarray(2, heard.readUInt16BE(0) + 2))
        heard = heard.subarray(heard.readUInt16BE(0) + 2)
      }
      if (messages.length >= count) socket.destroy()
    })
    socket.write(bytes)
  })
}

/** A message behind its two bytes of length. */
export function framed(message: Buffer): Buffer {
  return Buffer.concat([Buffer.from([message.length >> 8, message.length & 0xff]), message])
}

/** What a test wants to know of an answer. */
export function read(answer: Buffer | undefined): DecodedPacket & { rcode: string; data: unknown[] } {
  if (answer === undefined) throw new Error('no answer')
  const packet = decode(answer) as DecodedPacket & { rcode: string }
  return { ...packet, data: (packet.answers ?? []).map(record => ('data' in record ? record.data : undefined)) }
}

/** A name server for tests: answers UDP and TCP on one port of 127.0.0.1 by what `reply` makes of each query. */
export async function startNameServer(
  t: { teardown(run: () => unknown): unknown },
  reply: (query: Buffer, protocol: 'udp' | 'tcp') => readonly Buffer[],
): Promise<{ host: string; port: number; seen: { bytes: Buffer; protocol: 'udp' | 'tcp'; port: number }[] }> {
  const seen: { bytes: Buffer; protocol: 'udp' | 'tcp'; port: number }[] = []
  const tcp = createServer(socket => {
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      const bytes = Buffer.from(chunk.subarray(2))
      seen.push({ bytes, protocol: 'tcp', port: socket.remotePort ?? 0 })
      for (const answer of reply(bytes, 'tcp')) socket.write(framed(answer))
    })
  })
  await new Promise<void>(resolve => tcp.listen(0, '127.0.0.1', resolve))
  t.teardown(() => tcp.close())
  const address = tcp.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const udp = createSocket('udp4')
  await new Promise<void>(resolve => udp.bind(address.port, '127.0.0.1', resolve))
  t.teardown(() => udp.close())
  udp.on('message', (bytes, from) => {
    seen.push({ bytes, protocol: 'udp', port: from.port })
    for (const answer of reply(bytes, 'udp')) udp.send(answer, from.port, from.address)
  })
  return { host: '127.0.0.1', port: address.port, seen }
}

/** A well-behaved answer to a query: its id and question, with one A record. */
export function answerA(query: Buffer, data: string, flags = 0x8180): Buffer {
  const packet = decode(query)
  const questions = packet.questions ?? []
  const name = questions[0]?.name ?? ''
  return encode({
    type: 'response',
    id: packet.id ?? 0,
    flags: flags & 0x7fff,
    questions,
    answers: [{ type: 'A', class: 'IN', name, ttl: 60, data }],
  })
}
