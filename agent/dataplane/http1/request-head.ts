import { fieldKind } from './field-names.ts'
import {
  type ConnectionOptions,
  membersOf,
  parseLength,
  readConnection,
  transferCoding,
  validAuthority,
  wantsTrailers,
} from './field-rules.ts'
import { HeadLines, type HeadResult } from './head-lines.ts'
import type { Http1Limits } from './limits.ts'
import { methodOctets, requestNameOctets, space, targetOctets } from './octets.ts'
import type { ViolationCode } from './violations.ts'

const frequentMethods = ['GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'PATCH', 'OPTIONS']
/** CONNECT is a tunnel, PRI is HTTP/2's preface, SOURCE is another protocol's: none of them is passed on. */
const refusedMethods: ReadonlySet<string> = new Set(['CONNECT', 'PRI', 'SOURCE'])

/**
 * Reads requests' heads (RFC 9112 section 3) into the header list that the data plane works with, and decides what
 * frames the body. What it takes has exactly one meaning; the rest is refused.
 */
export class RequestHead {
  method = ''
  path = ''
  authority = ''
  oldVersion = false
  /** The length of the body, -1 when it is chunked or there is none. */
  contentLength = -1
  chunked = false
  /** The client wants the connection to go on. */
  keepAlive = true
  expectsContinue = false
  upgrade = false
  end = 0

  readonly #scheme: string
  readonly #lines: HeadLines
  /** What {@link list} copies. */
  #list: string[] = []
  /** The last Host that was well-formed. */
  #host = 'unknown'
  /** The host of a target in absolute form, else empty. */
  #targetAuthority = ''

  constructor(limits: Http1Limits, scheme: string) {
    this.#scheme = scheme
    this.#lines = new HeadLines(limits, requestNameOctets, (bytes, from, to) => this.#startLine(bytes, from, to), true)
  }

  /** Reads the head that begins at `from`; as long as it is incomplete, it is to be read again from there. */
  read(bytes: Buffer, from: number): HeadResult {
    const result = this.#lines.read(bytes, from)
    if (result !== 'complete') {
      // nothing of an earlier request may be told of this one
      this.authority = ''
      if (!this.#lines.started && result !== 'method' && result !== 'target') this.#forgetLine()
      return result
    }
    this.end = this.#lines.end
    if (this.#lines.unchanged) return result
    const violation = this.#interpret() ?? this.#checkMeaning()
    if (violation === undefined) return result
    this.#lines.forget()
    return violation
  }

  /** The header list, the caller's own. */
  list(): string[] {
    return this.#list.slice()
  }

  #forgetLine(): void {
    this.method = ''
    this.path = ''
    this.#targetAuthority = ''
  }

  #startLine(bytes: Buffer, from: number, to: number): ViolationCode | undefined {
    this.#forgetLine()
    let at = from
    while (methodOctets[bytes[at] ?? 0] === 1) at += 1
    if (at === from || bytes[at] !== space) return 'start-line'
    const method = methodOf(bytes, from, at)
    const targetFrom = at + 1
    at = targetFrom
    while (targetOctets[bytes[at] ?? 0] === 1) at += 1
    if (at === targetFrom) return 'target'
    if (bytes[at] !== space) return bytes[at] === undefined || at >= to ? 'start-line' : 'target'
    const version = versionOf(bytes, at + 1, to)
    if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0') return version
    this.oldVersion = version === 'HTTP/1.0'
    this.method = method
    return this.#readTarget(bytes.toString('latin1', targetFrom, at))
  }

  #readTarget(target: string): ViolationCode | undefined {
    const { method } = this
    if (refusedMethods.has(method)) {
      return method === 'CONNECT' && !(target.includes(':') && validAuthority(target)) ? 'target' : 'method'
    }
    if (target.charCodeAt(0) === 0x2f) this.path = target
    else if (target === '*') {
      if (method !== 'OPTIONS') return 'target'
      this.path = target
    } else return this.#readAbsolute(target)
    return undefined
  }

  /** RFC 9112 section 3.2.2. */
  #readAbsolute(target: string): ViolationCode | undefined {
    const prefix = `${this.#scheme}://`
    if (target.slice(0, prefix.length).toLowerCase() !== prefix) return 'target'
    let end = prefix.length
    while (end < target.length && target.charCodeAt(end) !== 0x2f && target.charCodeAt(end) !== 0x3f) end += 1
    this.#targetAuthority = target.slice(prefix.length, end)
    if (!validAuthority(this.#targetAuthority)) return 'target'
    const rest = target.slice(end)
    if (rest === '') this.path = this.method === 'OPTIONS' ? '*' : '/'
    else this.path = rest.charCodeAt(0) === 0x3f ? `/${rest}` : rest
    return undefined
  }

  #interpret(): ViolationCode | undefined {
    const { names, values, kinds, count } = this.#lines
    const list = [':method', this.method, ':scheme', this.#scheme, ':authority', '', ':path', this.path]
    const connection: ConnectionOptions = { close: false, keepAlive: false, upgrade: false }
    let hosts = 0
    let codings = 0
    let upgrade: string | undefined
    let expectations = 0
    this.authority = ''
    this.contentLength = -1
    this.chunked = false
    this.expectsContinue = false
    for (let index = 0; index < count; index += 1) {
      const name = names[index] ?? ''
      const value = values[index] ?? ''
      switch (kinds[index]) {
        case fieldKind.plain:
          list.push(name, value)
          break
        case fieldKind.host:
          hosts += 1
          if (hosts > 1 || (value !== this.#host && !validAuthority(value))) return 'host'
          this.#host = value
          this.authority = value
          break
        case fieldKind.connection:
          if (!readConnection(value, connection, true)) return 'connection'
          break
        case fieldKind.contentLength:
          if (this.contentLength >= 0) return 'content-length'
          this.contentLength = parseLength(value)
          if (this.contentLength < 0) return 'content-length'
          list.push(name, value.charCodeAt(0) === 0x30 ? String(this.contentLength) : value)
          break
        case fieldKind.transferEncoding: {
          codings += 1
          const coding = transferCoding(value)
          if (codings > 1 || coding === 'malformed' || this.oldVersion) return 'transfer-encoding'
          if (coding === 'unsupported') return 'transfer-coding'
          this.chunked = true
          break
        }
        case fieldKind.te:
          if (wantsTrailers(value)) list.push('te', 'trailers')
          break
        case fieldKind.upgrade:
          upgrade = upgrade === undefined ? value : `${upgrade}, ${value}`
          break
        case fieldKind.expect:
          expectations += 1
          if (expectations > 1 || value.toLowerCase() !== '100-continue') return 'expectation'
          this.expectsContinue = !this.oldVersion
          if (this.expectsContinue) list.push(name, value)
          break
      }
    }
    if (this.chunked && this.contentLength >= 0) return 'two-framings'
    if (hosts === 0 && !this.oldVersion) return 'host'
    this.keepAlive = !connection.close && (!this.oldVersion || connection.keepAlive)
    this.upgrade =
      upgrade !== undefined && connection.upgrade && !this.oldVersion && this.method === 'GET' && isPassedOn(upgrade)
    if (this.upgrade) list.push('upgrade', upgrade ?? '')
    this.#list = list
    return undefined
  }

  #checkMeaning(): ViolationCode | undefined {
    const target = this.#targetAuthority
    if (target !== '') {
      if (this.authority !== '' && !sameHost(target, this.authority)) return 'host'
      this.authority = target
    }
    this.#list[5] = this.authority
    const hasBody = this.chunked || this.contentLength > 0
    if (this.upgrade && hasBody) return 'upgrade-body'
    return this.method === 'TRACE' && hasBody ? 'trace-body' : undefined
  }
}

/** Every protocol but h2c, which would put requests behind our back (and what is listed beside it). */
function isPassedOn(upgrade: string): boolean {
  return upgrade !== '' && !membersOf(upgrade).includes('h2c')
}

function sameHost(one: string, other: string): boolean {
  return one === other || withoutDefaultPort(one) === withoutDefaultPort(other)
}

function withoutDefaultPort(authority: string): string {
  const lower = authority.toLowerCase()
  return lower.endsWith(':80') ? lower.slice(0, -3) : lower
}

function methodOf(bytes: Buffer, from: number, to: number): string {
  for (const method of frequentMethods) {
    if (method.length !== to - from || method.charCodeAt(0) !== bytes[from]) continue
    let at = 1
    while (at < method.length && method.charCodeAt(at) === bytes[from + at]) at += 1
    if (at === method.length) return method
  }
  return bytes.toString('latin1', from, to)
}

/** The version that the line ends with, or what is wrong with it. */
function versionOf(bytes: Buffer, from: number, to: number): 'HTTP/1.1' | 'HTTP/1.0' | ViolationCode {
  if (to - from === 8) {
    let at = 0
    while (at < 7 && bytes[from + at] === http1.charCodeAt(at)) at += 1
    if (at === 7) {
      if (bytes[from + 7] === 0x31) return 'HTTP/1.1'
      if (bytes[from + 7] === 0x30) return 'HTTP/1.0'
    }
  }
  return /^[A-Z]+\/[0-9]+\.[0-9]+$/.test(bytes.toString('latin1', from, to)) ? 'version' : 'start-line'
}

const http1 = 'HTTP/1.'
