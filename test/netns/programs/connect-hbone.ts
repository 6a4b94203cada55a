import { readFileSync } from 'node:fs'
import { connect } from 'node:http2'

// `node connect-hbone.ts FILE` reads what a thief may hold, and asks an agent for tunnels: an HTTP/2 client nobody here
// wrote. Prints one answer for each: `200 echoed`, or status and reason, or the error of the session.

interface Theft {
  readonly host: string
  readonly serverName: string
  readonly key?: string
  readonly cert?: string
  readonly roots: readonly string[]
  readonly asks: readonly { readonly method: string; readonly authority: string }[]
}

const theft: Theft = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'))
const { host, serverName, key, cert, roots, asks } = theft
const session = connect(`https://${host}:15008`, {
  servername: serverName,
  ca: [...roots],
  ...(key !== undefined && cert !== undefined && { key, cert }),
  checkServerIdentity: () => undefined,
})
const lost = new Promise<string>(resolve => {
  session.on('error', (error: NodeJS.ErrnoException) => resolve(`error ${error.code ?? error.message}`))
  session.on('close', () => resolve('closed'))
  setTimeout(resolve, 8_000, 'HANGS').unref()
})

function ask(method: string, authority: string): Promise<string> {
  return new Promise(resolve => {
    const path = method === 'CONNECT' ? {} : { ':path': '/', ':scheme': 'https' }
    const stream = session.request({ ':method': method, ':authority': authority, ...path }, { endStream: false })
    let status = ''
    stream.on('error', () => {})
    stream.on('response', headers => {
      status = `${headers[':status']} ${headers['weft-reason'] ?? ''}`.trim()
      if (headers[':status'] === 200) stream.write('marco')
      else stream.end()
    })
    stream.on('data', (chunk: Buffer) => {
      status = chunk.toString() === 'marco' ? '200 echoed' : `200 heard ${chunk}`
      stream.end()
    })
    stream.on('close', () => resolve(status === '' ? `reset ${stream.rstCode}` : status))
  })
}

const answers: string[] = []
for (const { method, authority } of asks) answers.push(await Promise.race([ask(method, authority), lost]))
console.log(JSON.stringify(answers))
process.exit()
