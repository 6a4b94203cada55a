import { fieldKind } from './field-names.ts'
import { type ConnectionOptions, parseLength, readConnection, transferCoding } from './field-rules.ts'
import { HeadLines, type HeadResult } from './head-lines.ts'
import type { Http1Limits } from './limits.ts'
import { space, tokenOctets } from './octets.ts'
import type { ViolationCode } from './violations.ts'

/** Reads responses' heads (RFC 9112 section 4), informational ones included, as strictly as requests'. */
export class ResponseHead {
  status = 0
  /** The length of the body, -1 when nothing says it. */
  contentLength = -1
  chunked = false
  keepAlive = true
  /** What Upgrade names if Connection lists it, else empty. */
  upgrade = ''
  end = 0

  readonly #lines: HeadLines
  #list: string[] = []
  #statusText = ''
  #oldVersion = false

  constructor(limits: Http1Limits) {
    this.#lines = new HeadLines(limits, tokenOctets, (bytes, from, to) => this.#startLine(bytes, from, to))
  }

  /** Reads the head that begins at `from`; as long as it is incomplete, it is to be read again from there. */
  read(bytes: Buffer, from: number): HeadResult {
    const result = this.#lines.read(bytes, from)
    if (result !== 'complete') return result
    this.end = this.#lines.end
    if (this.#lines.unchanged) return result
    const violation = this.#interpret()
    if (violation === undefined) return result
    this.#lines.forget()
    return violation
  }

  /** The header list, the caller's own. */
  list(): string[] {
    return this.#list.slice()
  }

  #startLine(bytes: Buffer, from: number, to: number): ViolationCode | undefined {
    const version = bytes.toString('latin1', from, from + 9)
    if (to - from < 12 || (version !== 'HTTP/1.1 ' && version !== 'HTTP/1.0 ')) {
      return version.startsWith('HTTP/') ? 'version' : 'start-line'
    }
    this.#oldVersion = version === 'HTTP/1.0 '
    let status = 0
    for (let at = from + 9; at < from + 12; at += 1) {
      const digit = (bytes[at] ?? 0) - 0x30
      if (digit < 0 || digit > 9) return 'status'
      status = status * 10 + digit
    }
    if (status < 100 || status > 599 || (to - from > 12 && bytes[from + 12] !== space)) return 'status'
    this.status = status
    this.#statusText = String(status)
    return undefined
  }

  #interpret(): ViolationCode | undefined {
    const { names, values, kinds, count } = this.#lines
    const { status } = this
    const list = [':status', this.#statusText]
    const connection: ConnectionOptions = { close: false, keepAlive: false, upgrade: false }
    let codings = 0
    let upgrade = ''
    this.contentLength = -1
    this.chunked = false
    for (let index = 0; index < count; index += 1) {
      const name = names[index] ?? ''
      const value = values[index] ?? ''
      switch (kinds[index]) {
        case fieldKind.plain:
        case fieldKind.expect:
          list.push(name, value)
          break
        case fieldKind.connection:
          if (!readConnection(value, connection, false)) return 'connection'
          break
        case fieldKind.contentLength:
          if (this.contentLength >= 0) return 'content-length'
          this.contentLength = parseLength(value)
          if (this.contentLength < 0) return 'content-length'
          // RFC 9110 section 8.6: such a response has no length; passed on, it would frame what is not there
          if (status < 200 || status === 204) break
          list.push(name, value.charCodeAt(0) === 0x30 ? String(this.contentLength) : value)
          break
        case fieldKind.transferEncoding: {
          codings += 1
          const coding = transferCoding(value)
          if (codings > 1 || coding === 'malformed' || this.#oldVersion) return 'transfer-encoding'
          if (coding === 'unsupported') return 'transfer-coding'
          this.chunked = true
          break
        }
        case fieldKind.upgrade:
          upgrade = upgrade === '' ? value : `${upgrade}, ${value}`
          break
      }
    }
    if (this.chunked && this.contentLength >= 0) return 'two-framings'
    if (this.chunked && (status < 200 || status === 204)) return 'transfer-encoding'
    this.keepAlive = !connection.close && (!this.#oldVersion || connection.keepAlive)
    this.upgrade = connection.upgrade ? upgrade : ''
    if (status === 101) list.push('upgrade', upgrade)
    this.#list = list
    return undefined
  }
}
