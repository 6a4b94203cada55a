import { createSocket } from 'node:dgram'
import { decode, encode } from 'dns-packet'

// A name server on port 53 that knows IPv4 addresses of a few names: `node zone-server.ts a.example=192.0.2.1,192.0.2.2 …`.
// A line of its standard input, `a.example=192.0.2.3`, replaces what it knows of the name; other names do not exist.

const zone = new Map<string, readonly string[]>()
const learn = (line: string) => {
  const [name = '', addresses = ''] = line.trim().split('=')
  if (name !== '') zone.set(name, addresses.split(','))
}
process.argv.slice(2).forEach(learn)
process.stdin.on('data', (chunk: Buffer) => chunk.toString().split('\n').forEach(learn))

const nameError = 3
const socket = createSocket({ type: 'udp6' })
socket.on('message', (bytes, from) => {
  const query = decode(bytes)
  const [question] = query.questions ?? []
  const name = question?.name.toLowerCase() ?? ''
  const addresses = zone.get(name)
  const answer = encode({
    type: 'response',
    id: query.id ?? 0,
    flags: addresses === undefined ? nameError : 0,
    questions: query.questions ?? [],
    answers: question?.type === 'A' ? (addresses ?? []).map(data => ({ type: 'A', name, ttl: 1, data })) : [],
  })
  socket.send(answer, from.port, from.address)
})
socket.bind(53, '::', () => console.log('listening'))
