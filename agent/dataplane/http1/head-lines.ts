import { FieldNames, hashOctet } from './field-names.ts'
import type { Http1Limits } from './limits.ts'
import { colon, cr, lf, space, tab, valueOctets } from './octets.ts'
import type { ViolationCode } from './violations.ts'

/** A head that is remembered is at most this large. */
const rememberedBytes = 4096

/** What became of an attempt to read a head. */
export type HeadResult = 'complete' | 'incomplete' | ViolationCode

/**
 * Reads the lines of a head (RFC 9112 sections 2 to 5) in one pass over its bytes, strictly: a line ends with CR LF,
 * nothing is folded, names and values have only octets they may have. One connection's heads repeat most of their lines
 * byte for byte, so each line is first compared with the same line of the last head, and is not read again if it is
 * the same: its strings are shared.
 */
export class HeadLines {
  /** The fields of the head read last, line by line; only the first {@link count} are of it. */
  readonly names: string[] = []
  readonly values: string[] = []
  readonly kinds: number[] = []
  count = 0
  /** Where the next byte behind the head is. */
  end = 0
  /** The whole head is the same as the one before. */
  unchanged = false
  /** The start line of the head read last was read. */
  started = false

  readonly #limits: Http1Limits
  readonly #nameOctets: Uint8Array
  readonly #startLine: ((bytes: Buffer, from: number, to: number) => ViolationCode | undefined) | undefined
  readonly #skipsEmptyLine: boolean
  readonly #fieldNames = new FieldNames()
  #bytes: Buffer = nothing
  /** Where each remembered line begins, the empty one at the end included; the start line is line 0. */
  readonly #starts: number[] = []
  #remembered = 0
  #length = 0

  /**
   * `startLine` reads the first line, when it is another one than last time; without it there is none (trailers). One
   * empty line before it is skipped where `skipsEmptyLine` says so.
   */
  constructor(
    limits: Http1Limits,
    nameOctets: Uint8Array,
    startLine?: (bytes: Buffer, from: number, to: number) => ViolationCode | undefined,
    skipsEmptyLine = false,
  ) {
    this.#limits = limits
    this.#nameOctets = nameOctets
    this.#startLine = startLine
    this.#skipsEmptyLine = skipsEmptyLine
  }

  /** Reads a head that begins at `from`; as long as it is incomplete, it is to be read again from there. */
  read(bytes: Buffer, from: number): HeadResult {
    const { length } = bytes
    let at = from
    if (this.#skipsEmptyLine && bytes[at] === cr) {
      // RFC 9112 section 2.2: one empty line before a request is a client's habit
      if (at + 1 >= length) return 'incomplete'
      if (bytes[at + 1] !== lf) return 'line-end'
      at += 2
    }
    const start = at
    const remembered = this.#remembered
    if (remembered > 0 && this.#sameAs(bytes, start)) {
      this.unchanged = true
      this.end = start + this.#length
      return 'complete'
    }
    this.unchanged = false
    this.started = false
    this.#remembered = 0
    let line = 0
    if (this.#startLine !== undefined) {
      const next = remembered > 0 ? this.#sameLine(0, bytes, at) : 0
      if (next > 0) at = next
      else {
        const result = this.#readStartLine(bytes, at)
        if (typeof result === 'string') return result
        at = result
      }
      this.#starts[0] = 0
      this.started = true
      line = 1
    }
    const first = line
    const { fields, headBytes } = this.#limits
    let changed = true
    for (; ; line += 1) {
      if (at >= length) return length - start > headBytes ? 'head-size' : 'incomplete'
      // behind a line that changed the rest is often the same
      if (changed && line < remembered && this.#sameRest(line, bytes, at)) {
        at = start + this.#moveStarts(line, remembered, at - start)
        line = remembered
        if (at - start > headBytes) return 'head-size'
        break
      }
      if (bytes[at] === cr) {
        if (at + 1 >= length) return 'incomplete'
        if (bytes[at + 1] !== lf) return 'line-end'
        break
      }
      if (line - first >= fields) return 'field-count'
      const next = line < remembered ? this.#sameLine(line, bytes, at) : 0
      this.#starts[line] = at - start
      changed = next === 0
      if (!changed) at = next
      else {
        const result = this.#readField(bytes, at, line - first)
        if (result === 'incomplete' && length - start > headBytes) return 'head-size'
        if (typeof result === 'string') return result
        at = result
      }
      if (at - start > headBytes) return 'head-size'
    }
    this.count = line - first
    this.end = at + 2
    this.#starts[line] = at - start
    this.#remember(bytes, start, line)
    return 'complete'
  }

  /** What was read means something that is refused: it must not pass for the head before the next one. */
  forget(): void {
    this.#remembered = 0
  }

  #remember(bytes: Buffer, start: number, lines: number): void {
    const length = this.end - start
    if (length > rememberedBytes || this.#startLine === undefined) return
    if (this.#bytes.length < length) this.#bytes = Buffer.allocUnsafeSlow((length + 255) & ~255)
    bytes.copy(this.#bytes, 0, start, this.end)
    this.#length = length
    this.#remembered = lines
  }

  #sameAs(bytes: Buffer, start: number): boolean {
    const end = start + this.#length
    return end <= bytes.length && bytes.compare(this.#bytes, 0, this.#length, start, end) === 0
  }

  /** Whether everything from this line on is as it was. */
  #sameRest(line: number, bytes: Buffer, at: number): boolean {
    const from = this.#starts[line] ?? 0
    const end = at + this.#length - from
    return end <= bytes.length && bytes.compare(this.#bytes, from, this.#length, at, end) === 0
  }

  /** Moves the remembered lines from this one on to where they are now; returns where the empty line is. */
  #moveStarts(line: number, end: number, to: number): number {
    const starts = this.#starts
    const by = to - (starts[line] ?? 0)
    for (let index = line; index < end; index += 1) starts[index] = (starts[index] ?? 0) + by
    return (starts[end] ?? 0) + by
  }

  /** Where the next line is, if this one is the same as the remembered one, else 0. */
  #sameLine(line: number, bytes: Buffer, at: number): number {
    const from = this.#starts[line] ?? 0
    const size = (this.#starts[line + 1] ?? 0) - from
    if (at + size > bytes.length) return 0
    const before = this.#bytes
    for (let offset = 0; offset < size; offset += 1) {
      if (bytes[at + offset] !== before[from + offset]) return 0
    }
    return at + size
  }

  #readStartLine(bytes: Buffer, from: number): number | HeadResult {
    const { length } = bytes
    let at = from
    while (at < length && valueOctets[bytes[at] ?? 0] === 1) at += 1
    if (at - from > this.#limits.startLineBytes) return 'start-line-size'
    if (at >= length) return 'incomplete'
    if (bytes[at] !== cr) return bytes[at] === lf ? 'line-end' : 'start-line'
    if (at + 1 >= length) return 'incomplete'
    if (bytes[at + 1] !== lf) return 'line-end'
    return this.#startLine?.(bytes, from, at) ?? at + 2
  }

  #readField(bytes: Buffer, from: number, index: number): number | HeadResult {
    const { length } = bytes
    const nameOctets = this.#nameOctets
    let at = from
    let hash = 0
    for (; at < length; at += 1) {
      const octet = bytes[at] ?? 0
      if (nameOctets[octet] !== 1) break
      hash = hashOctet(hash, octet)
    }
    if (at >= length) return 'incomplete'
    if (bytes[at] !== colon || at === from) return nameProblem(bytes[at] ?? 0, at === from)
    const nameEnd = at
    at += 1
    while (at < length && (bytes[at] === space || bytes[at] === tab)) at += 1
    const valueFrom = at
    while (at < length && valueOctets[bytes[at] ?? 0] === 1) at += 1
    if (at >= length) return 'incomplete'
    if (bytes[at] !== cr) return bytes[at] === lf ? 'line-end' : 'field-value'
    if (at + 1 >= length) return 'incomplete'
    if (bytes[at + 1] !== lf) return 'line-end'
    let valueEnd = at
    while (valueEnd > valueFrom && (bytes[valueEnd - 1] === space || bytes[valueEnd - 1] === tab)) valueEnd -= 1
    this.names[index] = this.#fieldNames.nameOf(bytes, from, nameEnd, hash)
    this.kinds[index] = this.#fieldNames.kind
    this.values[index] = valueFrom === valueEnd ? '' : bytes.toString('latin1', valueFrom, valueEnd)
    return at + 2
  }
}

function nameProblem(octet: number, atStart: boolean): ViolationCode {
  if (octet === lf) return 'line-end'
  return atStart && (octet === space || octet === tab) ? 'field-fold' : 'field-name'
}

const nothing = Buffer.alloc(0)
