import { connect } from 'node:net'

// `node dial.ts ADDRESS PORT` connects once and prints what the other side says, or the error's code.

/** What the other side says before it closes; the error's code when there is no connection, `SILENCE` after 3 s. */
export function dial(address: string, port: number): Promise<string> {
  return new Promise(resolve => {
    let heard = ''
    const socket = connect({ host: address, port, timeout: 3_000 })
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => {
      heard += text
    })
    socket.on('timeout', () => {
      resolve('SILENCE')
      socket.destroy()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.on('close', () => resolve(heard))
  })
}

if (import.meta.main) console.log(await dial(process.argv[2] ?? '', Number(process.argv[3])))
