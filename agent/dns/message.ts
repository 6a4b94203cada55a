import { type Answer, decode, encode, type Packet, type Question } from 'dns-packet'

/**
 * DNS messages (RFC 1035, EDNS by RFC 6891): reading queries that may be hostile, and writing answers. Pure; nothing
 * here throws for bytes from outside.
 */

/** A well-formed query with one question. */
export interface Query {
  readonly kind: 'query'
  readonly id: number
  /** As asked, upper and lower case kept. */
  readonly question: Question
  /** The question's bytes: repeated in every answer as they came. */
  readonly rawQuestion: Buffer
  /**
   * Lower case, without the trailing dot; the root is the empty string. Undefined for a name that text cannot hold:
   * a label may have any bytes, also dots, and must not be mistaken for the name it looks like.
   */
  readonly name: string | undefined
  /** The most bytes a UDP answer may have: 512, or what EDNS says, up to 1232. */
  readonly udpBytes: number
  readonly edns: boolean
  readonly recursionDesired: boolean
}

/** Something that is no such query. `answer` says so to the sender; absent when silence is the right answer. */
export interface BadQuery {
  readonly kind: 'bad'
  readonly answer?: Buffer
}

export type ResponseCode = 'NOERROR' | 'FORMERR' | 'SERVFAIL' | 'NXDOMAIN' | 'NOTIMP' | 'REFUSED'

const codes: Readonly<Record<ResponseCode, number>> = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
}

const headerBytes = 12
const flagResponse = 0x8000
const flagAuthoritative = 0x0400
const flagTruncated = 0x0200
const flagRecursionDesired = 0x0100
const flagRecursionAvailable = 0x0080
/** The longest query anybody has a reason to send. */
export const maxQueryBytes = 4096
/** What passes every usual path unfragmented (DNS flag day 2020). */
const maxUdpBytes = 1232

/** Reads one message. */
export function readQuery(bytes: Buffer): Query | BadQuery {
  // without a whole header there is nobody to answer; answering answers makes loops
  if (bytes.length < headerBytes || (bytes.readUInt16BE(2) & flagResponse) !== 0) return { kind: 'bad' }
  const opcode = (bytes.readUInt16BE(2) >> 11) & 0xf
  if (opcode !== 0) return { kind: 'bad', answer: headerOnly(bytes, 'NOTIMP') }
  if (bytes.length > maxQueryBytes || bytes.readUInt16BE(4) !== 1) {
    return { kind: 'bad', answer: headerOnly(bytes, 'FORMERR') }
  }
  try {
    const packet = decode(bytes)
    const question = packet.questions?.[0]
    const rawQuestion = questionBytes(bytes)
    if (question === undefined || rawQuestion === undefined) throw new Error('no question')
    const opt = packet.additionals?.find(record => record.type === 'OPT')
    const offered = opt?.type === 'OPT' ? opt.udpPayloadSize : 512
    return {
      kind: 'query',
      id: bytes.readUInt16BE(0),
      question,
      rawQuestion,
      name: textName(question.name, rawQuestion),
      udpBytes: Math.min(Math.max(offered, 512), maxUdpBytes),
      edns: opt !== undefined,
      recursionDesired: (bytes.readUInt16BE(2) & flagRecursionDesired) !== 0,
    }
  } catch {
    return { kind: 'bad', answer: headerOnly(bytes, 'FORMERR') }
  }
}

/** An answer of our own to a query. */
export function writeAnswer(
  query: Query,
  code: ResponseCode,
  options: { authoritative?: boolean; answers?: readonly Answer[]; authorities?: readonly Answer[] } = {},
): Buffer {
  const packet: Packet = {
    type: 'response',
    id: query.id,
    flags:
      (options.authoritative === true ? flagAuthoritative : 0) |
      (query.recursionDesired ? flagRecursionDesired : 0) |
      flagRecursionAvailable |
      codes[code],
    answers: [...(options.answers ?? [])],
    authorities: [...(options.authorities ?? [])],
    additionals: query.edns ? [{ ...ownEdns, options: [] }] : [],
  }
  const encoded = encode(packet)
  encoded.writeUInt16BE(1, 4)
  return Buffer.concat([encoded.subarray(0, headerBytes), query.rawQuestion, encoded.subarray(headerBytes)])
}

const ownEdns = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: maxUdpBytes,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
} as const

/**
 * The answer as it may go over UDP: itself when it fits, otherwise only its question with the truncation bit, which
 * makes the client come back over TCP.
 */
export function fitUdp(answer: Buffer, query: Query): Buffer {
  if (answer.length <= query.udpBytes) return answer
  const empty = writeAnswer(query, 'NOERROR')
  empty.writeUInt16BE(answer.readUInt16BE(2) | flagTruncated, 2)
  return empty
}

/** A copy of a message under another id. */
export function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message)
  copy.writeUInt16BE(id, 0)
  return copy
}

export function isTruncated(message: Buffer): boolean {
  return (message.readUInt16BE(2) & flagTruncated) !== 0
}

/** Response code of a whole message, as its number. */
export function responseCode(message: Buffer): number {
  return message.readUInt16BE(2) & 0xf
}

/** True when `answer` is a response to `query`, by id and question: what a forger would have to guess (RFC 5452). */
export function answersQuery(answer: Buffer, query: Buffer): boolean {
  if (answer.length < headerBytes || (answer.readUInt16BE(2) & flagResponse) === 0) return false
  if (answer.readUInt16BE(0) !== query.readUInt16BE(0)) return false
  const question = questionBytes(query)
  // a server that cannot read a query may leave the question out
  if (answer.readUInt16BE(4) === 0) return responseCode(answer) === codes.FORMERR
  const echoed = questionBytes(answer)
  return question !== undefined && echoed !== undefined && lowerCase(echoed).equals(lowerCase(question))
}

/** The first question as it stands in the message: name, type, class. Undefined when it is cut off or compressed. */
function questionBytes(message: Buffer): Buffer | undefined {
  let at = headerBytes
  for (;;) {
    const length = message[at]
    if (length === undefined || length > 63) return undefined
    at += length + 1
    if (length === 0) break
  }
  return at + 4 > message.length ? undefined : message.subarray(headerBytes, at + 4)
}

function lowerCase(bytes: Buffer): Buffer {
  return bytes.map(byte => (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte)) as Buffer
}

/** The name as text when writing it gives the same bytes again. */
function textName(name: string, rawQuestion: Buffer): string | undefined {
  const again = encode({ type: 'query', id: 0, questions: [{ type: 'A', name }] }).subarray(headerBytes)
  if (!again.subarray(0, -4).equals(rawQuestion.subarray(0, -4))) return undefined
  return name === '.' ? '' : name.toLowerCase()
}

function headerOnly(query: Buffer, code: ResponseCode): Buffer {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt16BE(query.readUInt16BE(0), 0)
  const kept = query.readUInt16BE(2) & (0x7800 | flagRecursionDesired)
  header.writeUInt16BE(flagResponse | kept | flagRecursionAvailable | codes[code], 2)
  return header
}
