import { createServer } from 'node:http'
import { createInterface } from 'node:readline'

// `node shop.ts VERSION ADDRESS PORT` answers every request with its version and prints what was asked; the line `ill` on
// standard input makes it fail, now by 503, now by a reset, until the line `well`.

const [version = '', address = '', port = ''] = process.argv.slice(2)
let isIll = false
let failures = 0
createServer((request, response) => {
  console.log(`${request.method} ${request.headers.host}${request.url}`)
  if (!isIll) return void response.end(`${version}\n`)
  failures += 1
  if (failures % 2 === 0) return void response.destroy()
  response.statusCode = 503
  response.end('ill\n')
}).listen(Number(port), address, () => console.log('listening'))
createInterface(process.stdin).on('line', line => {
  isIll = line === 'ill'
  console.log(`is ${line}`)
})
