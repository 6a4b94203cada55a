import { createSocket } from 'node:dgram'
import { decode, encode } from 'dns-packet'

// A name server on port 53 of every address that knows one address for every name: `node name-server.ts 192.0.2.7`.

const data = process.argv[2] ?? ''
const socket = createSocket({ type: 'udp6' })
socket.on('message', (bytes, from) => {
  const query = decode(bytes)
  const name = query.questions?.[0]?.name ?? ''
  const wanted = query.questions?.[0]?.type === 'A'
  const answer = encode({
    type: 'response',
    id: query.id ?? 0,
    questions: query.questions ?? [],
    answers: wanted ? [{ type: 'A', name, ttl: 1, data }] : [],
  })
  socket.send(answer, from.port, from.address)
})
socket.bind(53, '::', () => console.log('listening'))
