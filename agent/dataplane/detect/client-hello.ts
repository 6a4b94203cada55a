/**
 * What a TLS client says before anything is encrypted: the server it asks for and the protocols it offers, read out of
 * its ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3, RFC 7301). Nothing is believed for more than it is: every
 * length is checked against what holds it, and a hello that lies about one is `malformed`.
 */
export interface ClientHello {
  /** The host name asked for, in lower case; undefined without one. */
  readonly serverName: string | undefined
  /** The protocols offered, in order; empty without the extension. */
  readonly alpn: readonly string[]
}

/** Bytes a ClientHello may take with the headers of its records: far above real ones, post-quantum shares included. */
export const maxHelloBytes = 16 * 1024

const handshakeRecord = 22
const clientHelloMessage = 1
const serverNameExtension = 0
const alpnExtension = 16
const hostNameType = 0
const maxRecordBytes = 2 ** 14
const maxHostName = 255

/** Whether bytes, as far as they go, begin a TLS handshake record with a ClientHello. */
export function looksLikeTls(first: Buffer): 'yes' | 'no' | 'more' {
  const [type, major, minor = 0, high = 0, low = 0] = first
  if (type !== handshakeRecord) return 'no'
  if (major === undefined) return 'more'
  if (major !== 3 || minor > 4) return 'no'
  if (first.length >= 5 && ((high << 8) | low) > maxRecordBytes) return 'no'
  if (first.length < 6) return 'more'
  return first[5] === clientHelloMessage ? 'yes' : 'no'
}

/** Reads the ClientHello that a connection begins with; `more` when it is not all there. */
export function readClientHello(first: Buffer): ClientHello | 'more' | 'malformed' {
  const tls = looksLikeTls(first)
  if (tls !== 'yes') return tls === 'more' ? 'more' : 'malformed'
  const message = handshakeMessage(first)
  if (!Buffer.isBuffer(message)) return message
  const reader = new Reader(message)
  reader.skip(2 + 32)
  reader.skip(reader.uint8())
  reader.skip(reader.uint16())
  reader.skip(reader.uint8())
  if (reader.failed) return 'malformed'
  if (reader.left === 0) return { serverName: undefined, alpn: [] }
  return extensionsOf(reader.part(reader.uint16()))
}

/** The host name that the first bytes ask for: undefined when they ask for none, or are no TLS. */
export function serverName(first: Buffer): string | undefined | 'more' {
  const hello = readClientHello(first)
  if (hello === 'more') return 'more'
  return hello === 'malformed' ? undefined : hello.serverName
}

/** The body of the first handshake message, which may be cut into several records. */
function handshakeMessage(first: Buffer): Buffer | 'more' | 'malformed' {
  const parts: Buffer[] = []
  let gathered = 0
  let wanted = 4
  for (let at = 0; gathered < wanted; ) {
    if (first.length < at + 5) return over(first)
    const length = first.readUInt16BE(at + 3)
    if (first[at] !== handshakeRecord || length === 0 || length > maxRecordBytes) return 'malformed'
    const part = first.subarray(at + 5, Math.min(at + 5 + length, first.length))
    parts.push(part)
    gathered += part.length
    if (gathered >= 4 && wanted === 4) {
      wanted = 4 + (parts.length === 1 ? part : Buffer.concat(parts)).readUIntBE(1, 3)
      if (wanted > maxHelloBytes) return 'malformed'
    }
    if (part.length < length && gathered < wanted) return over(first)
    at += 5 + length
  }
  const message = parts.length === 1 ? (parts[0] ?? first) : Buffer.concat(parts)
  return message.subarray(4, wanted)
}

/** More is awaited only while a hello may still come of it. */
function over(first: Buffer): 'more' | 'malformed' {
  return first.length < maxHelloBytes ? 'more' : 'malformed'
}

function extensionsOf(reader: Reader): ClientHello | 'malformed' {
  let host: string | undefined
  let alpn: readonly string[] = []
  while (reader.left > 0 && !reader.failed) {
    const type = reader.uint16()
    const body = reader.part(reader.uint16())
    if (type === serverNameExtension) host = hostNameOf(body)
    else if (type === alpnExtension) alpn = protocolsOf(body)
    if (body.failed) return 'malformed'
  }
  return reader.failed ? 'malformed' : { serverName: host, alpn }
}

function hostNameOf(reader: Reader): string | undefined {
  const list = reader.part(reader.uint16())
  while (list.left > 0 && !list.failed) {
    const type = list.uint8()
    const name = list.text(list.uint16())
    if (type === hostNameType && !list.failed) return hostName(name)
  }
  if (list.failed) reader.fail()
  return undefined
}

/** A name of visible ASCII without what no host name has; a trailing dot and the case say nothing. */
function hostName(text: string): string | undefined {
  if (text.length === 0 || text.length > maxHostName || !/^[a-z0-9._*-]+$/i.test(text)) return undefined
  const lower = text.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}

function protocolsOf(reader: Reader): readonly string[] {
  const list = reader.part(reader.uint16())
  const protocols: string[] = []
  while (list.left > 0 && !list.failed) protocols.push(list.text(list.uint8()))
  if (list.failed) reader.fail()
  return protocols
}

/** Reads forward within bounds; reading past the end fails, and from then on gives zeros. */
class Reader {
  readonly #bytes: Buffer
  #at = 0
  #failed = false

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#failed ? 0 : this.#bytes.length - this.#at
  }

  get failed(): boolean {
    return this.#failed
  }

  fail(): void {
    this.#failed = true
  }

  uint8(): number {
    return this.#take(1) ? (this.#bytes[this.#at - 1] ?? 0) : 0
  }

  uint16(): number {
    return this.#take(2) ? this.#bytes.readUInt16BE(this.#at - 2) : 0
  }

  skip(bytes: number): void {
    this.#take(bytes)
  }

  /** A reader over the next bytes, failed already when there are fewer. */
  part(bytes: number): Reader {
    const enough = this.#take(bytes)
    const part = new Reader(enough ? this.#bytes.subarray(this.#at - bytes, this.#at) : this.#bytes.subarray(0, 0))
    if (!enough) part.fail()
    return part
  }

  text(bytes: number): string {
    return this.#take(bytes) ? this.#bytes.toString('latin1', this.#at - bytes, this.#at) : ''
  }

  #take(bytes: number): boolean {
    if (this.#failed || bytes > this.#bytes.length - this.#at) {
      this.#failed = true
      return false
    }
    this.#at += bytes
    return true
  }
}
