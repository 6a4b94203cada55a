import type { Pair } from './istio-routes.ts'

/** One HTTP/1.1 message as it stood on the wire; an octet a character. */
export interface WireMessage {
  readonly startLine: string
  /** In the order and case sent. */
  readonly headers: readonly Pair[]
  readonly body: string
  /** Octets of all of it. */
  readonly length: number
}

/** What is known of a message from elsewhere. */
export interface MessageContext {
  /** A response to HEAD, or another one that never has a body. */
  readonly hasNoBody?: boolean
  /** Nothing follows: a response without a length is complete. */
  readonly ended?: boolean
  /** A message without a length and without chunks ends with its head. */
  readonly isRequest?: boolean
}

/** The first message of the bytes; undefined while it is not complete. Lenient: it is not what is tested. */
export function parseMessage(bytes: string, context: MessageContext): WireMessage | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const [startLine = '', ...lines] = bytes.slice(0, headEnd).split('\r\n')
  const headers = lines.map((line): Pair => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  const from = headEnd + 4
  const whole = (body: string, length: number): WireMessage => ({ startLine, headers, body, length })
  if (context.hasNoBody === true || / (1\d\d|204|304)\b/.test(startLine)) return whole('', from)
  const value = (name: string) => headers.find(pair => pair[0].toLowerCase() === name)?.[1]
  if (value('transfer-encoding') === 'chunked') {
    const found = dechunk(bytes, from)
    return found && whole(found.body, found.end)
  }
  const length = value('content-length')
  if (length !== undefined) {
    const end = from + Number(length)
    return end > bytes.length ? undefined : whole(bytes.slice(from, end), end)
  }
  if (context.isRequest === true) return whole('', from)
  return context.ended === true ? whole(bytes.slice(from), bytes.length) : undefined
}

function dechunk(bytes: string, from: number): { readonly body: string; readonly end: number } | undefined {
  let body = ''
  for (let at = from; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(bytes.slice(at, lineEnd), 16)
    at = lineEnd + 2
    if (size === 0) {
      const end = bytes.startsWith('\r\n', at) ? at + 2 : bytes.indexOf('\r\n\r\n', at) + 4
      return end < at + 2 || end > bytes.length ? undefined : { body, end }
    }
    if (at + size + 2 > bytes.length) return undefined
    body += bytes.slice(at, at + size)
    at += size + 2
  }
}
