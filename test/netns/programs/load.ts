import { get } from 'node:http'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

// `node load.ts EVERY_MS CLASS...` calls services all the time, without ever trying twice. A CLASS is
// `NAME=KIND@HOST/PORT`: with KIND `new`, an echo service on a connection for each call, or `kept`, on one connection for
// all of them; or `http`, a GET on a connection of its own. The NAME is in every byte sequence sent, for those who look at
// the wire. Every line on standard input is answered by the counts since the one before, as JSON, once all calls of that
// time are over.

/** What came of the calls of one class since the last report. */
export interface LoadCounts {
  tried: number
  succeeded: number
  /** By error code; `SILENCE` without an answer in time, `WRONG` for another one, `HTTP 503` for such a status. */
  failed: Record<string, number>
  /** The longest time without a success. */
  longestGapMs: number
}

const patienceMs = 8_000

class Phase {
  readonly counts: LoadCounts = { tried: 0, succeeded: 0, failed: {}, longestGapMs: 0 }
  pending = 0
  #lastSuccess = performance.now()
  idle = () => {}

  /** Begins a call; the function it gives ends it, and only the first end counts. `silent` runs when patience ends. */
  begin(silent = () => {}): (error?: string) => void {
    this.counts.tried += 1
    this.pending += 1
    let over = false
    const timer = setTimeout(() => {
      end('SILENCE')
      silent()
    }, patienceMs)
    const end = (error?: string) => {
      if (over) return
      over = true
      clearTimeout(timer)
      if (error === undefined) {
        this.counts.succeeded += 1
        this.gap()
        this.#lastSuccess = performance.now()
      } else this.counts.failed[error] = (this.counts.failed[error] ?? 0) + 1
      this.pending -= 1
      if (this.pending === 0) this.idle()
    }
    return end
  }

  gap(): void {
    this.counts.longestGapMs = Math.max(this.counts.longestGapMs, Math.round(performance.now() - this.#lastSuccess))
  }
}

const codeOf = (error: Error) => ('code' in error ? String(error.code) : error.message)

/** One call on a connection of its own. */
function callOnce(name: string, host: string, port: number, phase: Phase): void {
  const end = phase.begin()
  const said = `${name} ${Math.random()}`
  let heard = ''
  const socket = connect({ host, port, allowHalfOpen: true, timeout: patienceMs })
  socket.on('timeout', () => socket.destroy())
  socket.on('error', error => end(codeOf(error)))
  socket.on('data', (chunk: Buffer) => {
    heard += chunk
  })
  socket.on('close', () => end(heard === said ? undefined : 'WRONG'))
  socket.end(said)
}

/** One HTTP request on a connection of its own; only a whole answer of status 200 is a success. */
function requestOnce(name: string, host: string, port: number, phase: Phase): void {
  const end = phase.begin(() => request.destroy())
  const request = get({ host, port, path: `/${name}`, agent: false }, response => {
    response.on('error', error => end(codeOf(error)))
    response.on('end', () => end(response.statusCode === 200 ? undefined : `HTTP ${response.statusCode}`))
    response.resume()
  })
  request.on('error', error => end(codeOf(error)))
}

/** Calls on one connection, made again when it breaks. */
function keptConnection(name: string, host: string, port: number): (phase: Phase) => void {
  let socket: Socket | undefined
  let waiting: { readonly said: string; readonly end: (error?: string) => void }[] = []
  const open = () => {
    const opened = connect({ host, port, noDelay: true })
    let heard = ''
    const broken = (code: string) => {
      if (socket !== opened) return
      socket = undefined
      for (const { end } of waiting) end(code)
      waiting = []
    }
    opened.on('error', error => broken(codeOf(error)))
    opened.on('close', () => broken('CLOSED'))
    opened.on('data', (chunk: Buffer) => {
      heard += chunk
      for (let at = heard.indexOf('\n'); at >= 0; at = heard.indexOf('\n')) {
        const line = heard.slice(0, at)
        heard = heard.slice(at + 1)
        const first = waiting.shift()
        first?.end(line === first.said ? undefined : 'WRONG')
      }
    })
    return opened
  }
  // as a client does that has waited long enough: the next call makes a new connection
  const giveUp = () => socket?.destroy()
  return phase => {
    socket ??= open()
    const said = `${name} ${Math.random()}`
    const end = phase.begin(giveUp)
    waiting.push({ said, end })
    socket.write(`${said}\n`)
  }
}

const [everyMs, ...classes] = process.argv.slice(2)
const running = classes.map(text => {
  const [, name = '', kind, host = '', port] = /^([^=]+)=(new|kept|http)@(.+)\/(\d+)$/.exec(text) ?? []
  if (name === '') throw new Error(`not a class: ${text}`)
  const once = kind === 'http' ? requestOnce : callOnce
  const call =
    kind === 'kept' ? keptConnection(name, host, Number(port)) : (phase: Phase) => once(name, host, Number(port), phase)
  return { name, call, phase: new Phase() }
})
setInterval(() => {
  for (const one of running) one.call(one.phase)
}, Number(everyMs))

createInterface(process.stdin).on('line', async () => {
  const finished = running.map(one => {
    const { name, phase } = one
    phase.gap()
    one.phase = new Phase()
    return { name, phase }
  })
  for (const { phase } of finished) {
    if (phase.pending > 0) await new Promise<void>(resolve => Object.assign(phase, { idle: resolve }))
  }
  console.log(JSON.stringify(Object.fromEntries(finished.map(({ name, phase }) => [name, phase.counts]))))
})
console.log('loading')
