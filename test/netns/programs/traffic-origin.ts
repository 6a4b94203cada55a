import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createServer as createTcpServer, type Server } from 'node:net'
import { join } from 'node:path'

// `node traffic-origin.ts NAME ADDRESS KIND=PORT...` serves what the examples of docs/traffic.md call: `http` and `https`
// say their name and what they were asked, `ill` answers 503 to everything, `tcp` says its name and closes. The
// certificate is in the directory that CERTIFICATES names.

const [name = '', address = '', ...wanted] = process.argv.slice(2)
const asked: string[] = []

/** `/status/N` and `/delay/SECONDS` do so; `/asked` tells the requests so far; all else is told back, headers and all. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const { method, url = '', rawHeaders } = request
  request.resume()
  response.setHeader('content-type', 'text/plain')
  response.setHeader('x-version', name)
  if (url === '/asked') return void response.end(`${asked.join('\n')}\n`)
  asked.push(`${method} ${url}`)
  const [, what, number] = /^\/(status|delay)\/([\d.]+)/.exec(url) ?? []
  if (what === 'status') response.statusCode = Number(number)
  const headers = rawHeaders.map((word, at) => (at % 2 === 0 ? `${word}: ` : `${word}\n`)).join('')
  const say = () => void response.end(`${name} ${method} ${url}\n${headers}`)
  if (what === 'delay') setTimeout(say, Number(number) * 1000)
  else say()
}

const certificate = (file: string) => readFileSync(join(process.env.CERTIFICATES ?? '', file))

const kinds: Readonly<Record<string, () => Server>> = {
  http: () => createServer(answer),
  https: () => createHttpsServer({ cert: certificate('partner.pem'), key: certificate('partner.key') }, answer),
  ill: () =>
    createServer((_request, response) => {
      response.statusCode = 503
      response.end(`${name} is ill\n`)
    }),
  tcp: () => createTcpServer(socket => void socket.on('error', () => {}).end(`${name}\n`)),
}

for (const one of wanted) {
  const [kind = '', port] = one.split('=')
  const make = kinds[kind]
  if (make === undefined) throw new Error(`there is no kind ${kind}`)
  await new Promise<void>(resolve => make().listen(Number(port), address, resolve))
}
console.log('listening')
