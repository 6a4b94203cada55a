import { clientPreface } from '../h2/frames.ts'
import { looksLikeTls } from './client-hello.ts'

/** What a client's first bytes are; `more` when they do not tell yet. */
export type Protocol = 'http1' | 'http2' | 'tls' | 'other'

/** Methods are short, custom ones too: a longer token at the start is something else. */
const maxMethodBytes = 32

/** A request line with a target of another form than `/path` is looked at whole. */
const maxLineBytes = 8 * 1024

const space = 0x20
const slash = 0x2f
const asterisk = 0x2a
const tokenOctets = Uint8Array.from({ length: 256 }, (_, octet) =>
  /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(octet)) ? 1 : 0,
)

/**
 * Tells by the first bytes what a client speaks: HTTP/2 by its preface (RFC 9113 section 3.4), HTTP/1 by a request line
 * (a method, a space, a target: RFC 9112 section 3), TLS by a handshake record with a ClientHello. Whatever can be told
 * apart with what is there, is: a single byte is enough for most other protocols.
 */
export function detectProtocol(first: Buffer): Protocol | 'more' {
  if (first.length === 0) return 'more'
  const tls = looksLikeTls(first)
  if (tls !== 'no') return tls === 'yes' ? 'tls' : 'more'
  if (isPreface(first)) return first.length >= clientPreface.length ? 'http2' : 'more'
  return requestLine(first)
}

/** Whether the bytes, as far as they go, are the HTTP/2 preface. */
function isPreface(first: Buffer): boolean {
  const size = Math.min(first.length, clientPreface.length)
  for (let at = 0; at < size; at += 1) if (first[at] !== clientPreface.charCodeAt(at)) return false
  return true
}

function requestLine(first: Buffer): Protocol | 'more' {
  // RFC 9112 section 2.2: an empty line before the request line is passed over; servers pass over any number
  const begin = afterLineEnds(first)
  // nobody else begins like this, and what some servers would find behind it must not go unseen
  if (begin >= maxLineBytes) return 'http1'
  let at = begin
  while (at < first.length && tokenOctets[first[at] ?? 0] === 1) {
    at += 1
    if (at - begin > maxMethodBytes) return 'other'
  }
  if (at >= first.length) return 'more'
  if (first[at] !== space || at === begin) return 'other'
  const target = first[at + 1]
  if (target === undefined) return 'more'
  if (target === slash || target === asterisk) return 'http1'
  return isVisible(target) ? versionAtEnd(first, at) : 'other'
}

/** Two words are a request line only when a third one says so: other protocols have commands of two. */
function versionAtEnd(first: Buffer, from: number): Protocol | 'more' {
  const end = first.indexOf(0x0a, from)
  if (end < 0) return first.length < maxLineBytes ? 'more' : 'other'
  return /^ \S+ HTTP\/1\.\d\r?$/.test(first.toString('latin1', from, end)) ? 'http1' : 'other'
}

function afterLineEnds(first: Buffer): number {
  let at = 0
  while (at < maxLineBytes && (first[at] === 0x0d || first[at] === 0x0a)) at += 1
  return at
}

function isVisible(octet: number): boolean {
  return octet > 0x20 && octet < 0x7f
}
