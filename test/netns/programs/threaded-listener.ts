import { createServer, type Socket } from 'node:net'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { originalDst } from '../../../agent/intercept/original-dst.ts'

// Two worker threads share port 15001; each answers with the original destination as the thread sees it.

if (isMainThread) {
  let ready = 0
  for (let thread = 0; thread < 2; thread += 1) {
    new Worker(new URL(import.meta.url)).on('message', () => {
      ready += 1
      if (ready === 2) console.log('listening')
    })
  }
} else {
  const server = createServer(socket => {
    const { fd } = (socket as Socket & { _handle: { fd: number } })._handle
    const family = socket.remoteAddress?.startsWith('::ffff:') === true ? 4 : 6
    const original = originalDst(fd, family)
    socket.on('error', () => {})
    socket.end(original === undefined ? 'direct' : `${original.address} ${original.port}`)
  })
  server.listen({ port: 15001, host: '::', reusePort: true }, () => parentPort?.postMessage('ready'))
}
