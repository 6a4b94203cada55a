import type { HeaderList } from '../http/stream.ts'
import { lengthOf, type OutgoingFraming, type RequestLine, upgradeFields, upgradeOf } from './message-writer.ts'

/** How a request is framed (RFC 9112 section 6.3), beside what its first lines are made of. */
export interface RequestPlan extends RequestLine {
  readonly framing: OutgoingFraming
  readonly length: number
  readonly dropLength: boolean
  /** The fields that say so. */
  readonly ending: string
  /** The protocols it asks to switch to, else empty. */
  readonly switchTo: string
  /** Servers differ in how they read a body here: nothing may follow on the connection. */
  readonly last: boolean
}

/** These are expected to have content: RFC 9110 section 8.6. */
const withContent: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])
const withoutContent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'])

/** Plans a request; undefined when its list is none of a request, or its length and its end contradict each other. */
export function planRequest(headers: HeaderList, endStream: boolean): RequestPlan | undefined {
  let method = ''
  let path = ''
  let authority = ''
  let firstField = 0
  for (; headers[firstField]?.charCodeAt(0) === 0x3a; firstField += 2) {
    const value = headers[firstField + 1] ?? ''
    if (headers[firstField] === ':method') method = value
    else if (headers[firstField] === ':path') path = value
    else if (headers[firstField] === ':authority') authority = value
  }
  const length = lengthOf(headers, firstField)
  if (method === '' || method === 'CONNECT' || length === -2 || (endStream && length > 0)) return undefined
  if (path.charCodeAt(0) !== 0x2f && (path !== '*' || method !== 'OPTIONS')) return undefined
  const line = { method, path, authority, firstField, length, dropLength: false, switchTo: '' }
  if (endStream) {
    const ending = length < 0 && withContent.has(method) ? 'content-length: 0\r\n' : ''
    return { ...line, framing: 'none', ending, last: false }
  }
  const switchTo = method === 'GET' ? upgradeOf(headers) : ''
  if (switchTo !== '') {
    return { ...line, framing: 'none', dropLength: true, ending: upgradeFields(switchTo), switchTo, last: false }
  }
  const last = length !== 0 && withoutContent.has(method)
  if (length >= 0) return { ...line, framing: 'length', ending: '', last }
  return { ...line, framing: 'chunked', ending: 'transfer-encoding: chunked\r\n', last }
}
