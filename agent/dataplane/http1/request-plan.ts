import type { HeaderList } from '../http/stream.ts'
import { fieldKind, kindOf } from './field-names.ts'
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
  /** It asks for a tunnel (RFC 9110 section 9.3.6), whose far end is its authority. */
  readonly connects: boolean
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
  if (method === 'CONNECT') return endStream || path !== '' ? undefined : planConnect(authority, firstField)
  if (method === '' || length === -2 || (endStream && length > 0)) return undefined
  if (path.charCodeAt(0) !== 0x2f && (path !== '*' || method !== 'OPTIONS')) return undefined
  const switchTo = method === 'GET' && !endStream ? upgradeOf(headers) : ''
  const framing = endStream || switchTo !== '' ? 'none' : length >= 0 ? 'length' : 'chunked'
  let ending = ''
  if (switchTo !== '') ending = upgradeFields(switchTo)
  else {
    if (framing === 'chunked') ending = 'transfer-encoding: chunked\r\n'
    else if (length < 0 && withContent.has(method)) ending = 'content-length: 0\r\n'
    // RFC 9110 section 10.1.4
    if (hasTe(headers, firstField)) ending += 'connection: te\r\n'
  }
  const last = framing === 'chunked' || (framing === 'length' && length > 0) ? withoutContent.has(method) : false
  const dropLength = switchTo !== ''
  return { method, path, authority, firstField, framing, length, dropLength, ending, switchTo, connects: false, last }
}

function planConnect(authority: string, firstField: number): RequestPlan {
  const line = { method: 'CONNECT', path: authority, authority, firstField }
  return {
    ...line,
    framing: 'none',
    length: -1,
    dropLength: true,
    ending: '',
    switchTo: '',
    connects: true,
    last: false,
  }
}

function hasTe(headers: HeaderList, from: number): boolean {
  for (let at = from; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (name.length === 2 && kindOf(name) === fieldKind.te) return true
  }
  return false
}
