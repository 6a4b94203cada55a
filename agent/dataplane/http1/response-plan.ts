import type { HeaderList } from '../http/stream.ts'
import { lengthOf, type OutgoingFraming } from './message-writer.ts'
import { statusLine } from './status-lines.ts'

/** What of a request decides how its response is framed. */
interface AskedBy {
  readonly method: string
  readonly oldVersion: boolean
}

/** How a response's body is delimited (RFC 9112 section 6.3). */
export interface ResponsePlan {
  readonly framing: OutgoingFraming
  readonly length: number
  /** The caller's Content-Length says nothing true. */
  readonly dropLength: boolean
  /** The fields that say so, and what becomes of the connection. */
  ending(keepAlive: boolean, oldVersion: boolean): string
}

/** Plans a final response; undefined when its length and its end contradict each other. */
export function planResponse(
  asked: AskedBy,
  status: number,
  headers: HeaderList,
  endStream: boolean,
): ResponsePlan | undefined {
  if (!(status <= 599)) return undefined
  const length = lengthOf(headers, 2)
  if (length === -2) return undefined
  if (status === 204) return plans.noLength
  if (asked.method === 'HEAD' || status === 304) return plans.noBody
  if (endStream) {
    if (length > 0) return undefined
    return length === 0 ? plans.noBody : plans.empty
  }
  if (length >= 0) return { framing: 'length', length, dropLength: false, ending: plans.noBody.ending }
  return asked.oldVersion ? plans.close : plans.chunked
}

function plan(framing: OutgoingFraming, dropLength: boolean, field: string): ResponsePlan {
  const close = `${field}connection: close\r\n`
  const keepAlive = `${field}connection: keep-alive\r\n`
  return {
    framing,
    length: 0,
    dropLength,
    ending: (goesOn, oldVersion) => (goesOn ? (oldVersion ? keepAlive : field) : close),
  }
}

const plans = {
  noBody: plan('none', false, ''),
  noLength: plan('none', true, ''),
  empty: plan('none', false, 'content-length: 0\r\n'),
  chunked: plan('chunked', false, 'transfer-encoding: chunked\r\n'),
  close: plan('close', false, ''),
} as const

/** The whole answer to a request that was refused: a text that names the reason. */
export function refusal(status: number, detail: string): string {
  const fields = `content-type: text/plain\r\ncontent-length: ${detail.length + 1}\r\nconnection: close\r\n`
  return `${statusLine(status)}${fields}\r\n${detail}\n`
}
