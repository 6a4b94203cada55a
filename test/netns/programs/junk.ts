import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'

// `node junk.ts ADDRESS PORT...` sends every kind of junk to every port, and prints as JSON what came of each connection
// that did not simply end: nothing may hang, and only what speaks HTTP in the clear may answer. `udp:PORT` takes datagrams.

const clientHello = Buffer.from('16030100330100002f0303', 'hex')
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const frame = (length: number, type: number, payload: Buffer) =>
  Buffer.concat([Buffer.from([length >> 16, length >> 8, length, type, 0, 0, 0, 0, 1]), payload])

/** What a hostile host might say first; every one of them ends its own direction afterwards. */
const kinds: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'one byte': Buffer.from([0x16]),
  zeroes: Buffer.alloc(70_000),
  random: randomBytes(4096),
  'a megabyte at random': randomBytes(1 << 20),
  'half a ClientHello': clientHello,
  'a ClientHello that is random': Buffer.concat([clientHello, randomBytes(47)]),
  'a TLS record of the wrong version': Buffer.from('1605010002ffff', 'hex'),
  'an HTTP/1 request': Buffer.from('GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n'),
  'a broken HTTP/1 request': Buffer.from('GET\0/ HTTP/9.9\r\n:\r\nContent-Length: -1\r\nTransfer-Encoding: x\r\n\r\n'),
  'an upgrade': Buffer.from('GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
  'a long header': Buffer.from(`GET / HTTP/1.1\r\nX: ${'x'.repeat(200_000)}\r\n\r\n`),
  'the HTTP/2 preface and junk': Buffer.concat([preface, randomBytes(1000)]),
  'an HTTP/2 frame of a length that never comes': Buffer.concat([preface, frame(0xffffff, 0, Buffer.alloc(10))]),
  'a CONNECT in the clear': Buffer.from('CONNECT 127.0.0.1:15000 HTTP/1.1\r\n\r\n'),
  'a PROXY header': Buffer.from('PROXY TCP4 127.0.0.1 127.0.0.1 1 15001\r\n'),
  'a DNS message of the wrong length': Buffer.concat([Buffer.from([0xff, 0xff]), randomBytes(30)]),
  'a DNS message that points to itself': Buffer.from('001200000100000100000000000000c00c00010001', 'hex'),
}

/** How the connection went: `closed`, `alert` of TLS, an error's code, `answered <text>`, or `HANGS`. */
function send(address: string, port: number, junk: Buffer): Promise<string> {
  return new Promise(resolve => {
    let heard = Buffer.alloc(0)
    const socket = connect({ host: address, port, allowHalfOpen: true })
    const timer = setTimeout(() => {
      resolve('HANGS')
      socket.destroy()
    }, 8_000)
    const finish = (outcome: string) => {
      clearTimeout(timer)
      socket.destroy()
      const isAlert = heard[0] === 0x15 && heard[1] === 0x03
      resolve(heard.length === 0 ? outcome : isAlert ? 'alert' : `answered ${heard.toString('latin1', 0, 40)}`)
    }
    socket.on('data', (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk])
    })
    socket.on('end', () => finish('closed'))
    socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message))
    socket.end(junk)
  })
}

async function sendDatagrams(address: string, port: number): Promise<void> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.on('error', () => {})
  for (const junk of Object.values(kinds)) {
    await new Promise<void>(resolve => socket.send(junk.subarray(0, 1400), port, address, () => resolve()))
  }
  socket.close()
}

const [address = '', ...ports] = process.argv.slice(2)
const outcomes = await Promise.all(
  ports.map(async port => {
    if (port.startsWith('udp:')) return [port, await sendDatagrams(address, Number(port.slice(4)))]
    const each = Object.entries(kinds).map(async ([kind, junk]) => [kind, await send(address, Number(port), junk)])
    return [port, Object.fromEntries(await Promise.all(each))]
  }),
)
console.log(JSON.stringify(Object.fromEntries(outcomes)))
