import type { HeaderList } from '../http/stream.ts'
import { EncodedFields, putChecked, putText } from './encoded-fields.ts'
import { fieldKind, kindOf } from './field-names.ts'
import { parseLength } from './field-rules.ts'
import { authorityOctets, consistsOf, methodOctets, targetOctets, valueOctets } from './octets.ts'
import type { Output } from './output.ts'

/** How a message of ours is framed; `none` for one that has no body whatever its fields say. */
export type OutgoingFraming = 'none' | 'length' | 'chunked' | 'close' | 'raw'

/** What a request's first lines are made of. */
export interface RequestLine {
  readonly method: string
  readonly path: string
  readonly authority: string
  /** Where the fields begin in the list. */
  readonly firstField: number
}

const requestLineExtra = ' '.length + ' HTTP/1.1\r\nhost: \r\n'.length

/**
 * Writes messages canonically (RFC 9112): names and values as they are given, and of all that frames a message or
 * belongs to a connection only what we decided. One message at a time.
 */
export class MessageWriter {
  readonly #output: Output
  framing: OutgoingFraming = 'none'
  readonly #encoded = new EncodedFields()
  /** Payload bytes still owed to the declared length. */
  #left = 0

  constructor(output: Output) {
    this.#output = output
  }

  /** Begins the body that the head has announced. */
  begin(framing: OutgoingFraming, length: number): void {
    this.framing = framing
    this.#left = length
  }

  /**
   * Writes a response's head: the status line, the fields behind `:status`, and what `ending` adds. Fields that belong
   * to a connection are left out, lengths too with `dropLength`. False when a field cannot be written: nothing was.
   */
  response(statusLine: string, headers: HeaderList, dropLength: boolean, ending: string): boolean {
    const block = this.#output.reserve(statusLine.length + sizeOf(headers, 2, ending))
    const at = putText(block, this.#output.position, statusLine)
    return this.#fields(block, at, headers, 2, dropLength, ending)
  }

  /** Writes a request's head; `ending` and the result as for a response. */
  request(head: RequestLine, headers: HeaderList, dropLength: boolean, ending: string): boolean {
    const { method, path, authority, firstField } = head
    const lineSize = method.length + path.length + authority.length + requestLineExtra
    const block = this.#output.reserve(lineSize + sizeOf(headers, firstField, ending))
    let at = putChecked(block, this.#output.position, method, methodOctets)
    if (at < 0) return false
    block[at] = 0x20
    at = putChecked(block, at + 1, path, targetOctets)
    if (at < 0) return false
    at = putText(block, at, ' HTTP/1.1\r\nhost: ')
    at = putChecked(block, at, authority, authorityOctets)
    if (at < 0) return false
    block[at] = 0x0d
    block[at + 1] = 0x0a
    return this.#fields(block, at + 2, headers, firstField, dropLength, ending)
  }

  /** Writes payload; false when it is more than was declared. What a message without a body is given is left out. */
  payload(chunk: Buffer): boolean {
    const { length } = chunk
    if (length === 0 || this.framing === 'none') return true
    if (this.framing === 'length') {
      if (length > this.#left) return false
      this.#left -= length
    } else if (this.framing === 'chunked') return this.#chunk(chunk)
    this.#output.payload(chunk)
    return true
  }

  /** Ends the message; false when it is less than was declared. Trailers are sent where the framing has them. */
  end(trailers: HeaderList | undefined): boolean {
    if (this.framing === 'length' && this.#left > 0) return false
    if (this.framing === 'chunked') {
      if (trailers !== undefined) {
        const block = this.#output.reserve(3 + sizeOf(trailers, 0, ''))
        const at = putText(block, this.#output.position, '0\r\n')
        if (!this.#fields(block, at, trailers, 0, true, '')) return false
      } else {
        const block = this.#output.reserve(5)
        this.#output.wrote(putText(block, this.#output.position, '0\r\n\r\n'))
      }
    }
    this.framing = 'none'
    return true
  }

  #fields(
    block: Buffer,
    from: number,
    headers: HeaderList,
    first: number,
    dropLength: boolean,
    ending: string,
  ): boolean {
    let to = this.#encoded.write(block, from, headers, first, dropLength)
    if (to < 0) return false
    to = putText(block, to, ending)
    block[to] = 0x0d
    block[to + 1] = 0x0a
    this.#output.wrote(to + 2)
    return true
  }

  #chunk(chunk: Buffer): boolean {
    const output = this.#output
    const block = output.reserve(14)
    const to = putHex(block, output.position, chunk.length)
    block[to] = 0x0d
    block[to + 1] = 0x0a
    output.wrote(to + 2)
    output.payload(chunk)
    const end = output.reserve(2)
    const at = output.position
    end[at] = 0x0d
    end[at + 1] = 0x0a
    output.wrote(at + 2)
    return true
  }
}

/** The protocols that a list asks or grants to switch to; empty when it names none that could be written. */
export function upgradeOf(headers: HeaderList): string {
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (name.length !== 7 || kindOf(name) !== fieldKind.upgrade) continue
    const protocols = headers[at + 1] ?? ''
    return consistsOf(protocols, valueOctets) ? protocols : ''
  }
  return ''
}

/** The fields that ask for or grant a switch of protocols. */
export function upgradeFields(protocols: string): string {
  return `connection: upgrade\r\nupgrade: ${protocols}\r\n`
}

/** The declared length of a list's message: -1 without one, -2 when it is malformed or there are several. */
export function lengthOf(headers: HeaderList, from: number): number {
  let length = -1
  for (let at = from; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (name.length !== 14 || kindOf(name) !== fieldKind.contentLength) continue
    const value = parseLength(headers[at + 1] ?? '')
    if (value < 0 || length >= 0) return -2
    length = value
  }
  return length
}

function sizeOf(headers: HeaderList, first: number, ending: string): number {
  let size = ending.length + 2
  for (let at = first; at < headers.length; at += 1) size += (headers[at]?.length ?? 0) + 2
  return size
}

function putHex(block: Buffer, at: number, value: number): number {
  let digits = 1
  while (digits < 12 && value >= 16 ** digits) digits += 1
  let rest = value
  for (let index = digits - 1; index >= 0; index -= 1) {
    const digit = rest & 15
    block[at + index] = digit < 10 ? 0x30 + digit : 0x57 + digit
    rest = Math.floor(rest / 16)
  }
  return at + digits
}
