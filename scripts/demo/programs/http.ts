import { createServer } from 'node:http'

// `node http.ts NAME ADDRESS PORT` answers every request with its name: a service that knows nothing of the mesh.

const [name = '', address = '', port = ''] = process.argv.slice(2)
createServer((request, response) => {
  response.setHeader('content-type', 'text/plain')
  response.end(`hello from ${name}, you asked for ${request.url}\n`)
}).listen(Number(port), address, () => console.log('listening'))
