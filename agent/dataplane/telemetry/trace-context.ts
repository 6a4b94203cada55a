import { randomBytes } from 'node:crypto'
import { isField } from '../../../mesh/routing/header-fields.ts'
import type { Random } from '../../../mesh/std/clock.ts'
import { RequestIds } from './request-ids.ts'
import type { RequestRecord } from './request-record.ts'
import { isUnsampled, parseB3, parseB3Fields, parseTraceparent, type TraceParent } from './trace-parents.ts'

/** Which requests are traced whose callers have not decided it. */
export interface TraceSettings {
  /** Percent; 100 is all. */
  readonly sampling: number
}

/** What a traced request is known by; reported with the request's record at its end. */
export interface RequestSpan {
  readonly traceId: string
  readonly spanId: string
  /** The caller's span; empty when the trace begins here. */
  readonly parentId: string
  readonly traceState: string
}

const names = {
  requestId: 'x-request-id',
  traceparent: 'traceparent',
  tracestate: 'tracestate',
  b3: 'b3',
  trace: 'x-b3-traceid',
  span: 'x-b3-spanid',
  parent: 'x-b3-parentspanid',
  sampled: 'x-b3-sampled',
  flags: 'x-b3-flags',
} as const

/** Indices of values in a header list, -1 for what is absent. */
type Found = Record<keyof typeof names, number>

/** Gives requests their ids and spans. */
export class Tracer {
  /** Undefined traces nothing. */
  settings: TraceSettings | undefined
  readonly #random: Random
  readonly #ids = new RequestIds()
  /** One object, for one request at a time. */
  readonly #found: Found = {
    requestId: -1,
    traceparent: -1,
    tracestate: -1,
    b3: -1,
    trace: -1,
    span: -1,
    parent: -1,
    sampled: -1,
    flags: -1,
  }

  constructor(random: Random) {
    this.#random = random
  }

  /**
   * Gives a request its id and, if it is to be traced, its span: `headers` and `record` are changed. The caller's
   * decision is respected, be it in W3C's fields or B3's; without one, `sampling` percent are traced. Where the other
   * side is an agent of the mesh, its silence is a decision, too. A request that is not traced gets an id if it has
   * none, and is otherwise left as it is.
   */
  begin(headers: string[], record: RequestRecord): void {
    const found = this.#found
    find(headers, found)
    if (found.requestId < 0) {
      record.requestId = this.#ids.next()
      headers.push(names.requestId, record.requestId)
    } else record.requestId = headers[found.requestId] ?? ''
    const { settings } = this
    if (settings === undefined) return
    const parent = parentIn(headers, found)
    const decided =
      parent?.sampled ?? (record.direction === 'inbound' && record.security === 'mutual_tls' ? false : undefined)
    if (!(decided ?? this.#random() * 100 < settings.sampling)) return
    const span = spanBelow(parent, headers, found)
    record.span = span
    announce(headers, span, found)
  }
}

function spanBelow(parent: TraceParent | undefined, headers: readonly string[], found: Found): RequestSpan {
  // The state belongs to a traceparent that is valid, and to no other.
  const hasState = found.tracestate >= 0 && parseTraceparent(headers[found.traceparent] ?? '') !== undefined
  return {
    traceId: parent?.traceId || randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    parentId: parent?.spanId ?? '',
    traceState: hasState ? (headers[found.tracestate] ?? '') : '',
  }
}

/** Notes where the fields are, of each name the first one. */
function find(headers: readonly string[], found: Found): void {
  found.requestId = found.traceparent = found.tracestate = found.b3 = found.trace = -1
  found.span = found.parent = found.sampled = found.flags = -1
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    // by length first: most fields are none of these
    switch (name.length) {
      case 2:
        if (found.b3 < 0 && isField(name, names.b3)) found.b3 = at + 1
        break
      case 10:
        if (found.tracestate < 0 && isField(name, names.tracestate)) found.tracestate = at + 1
        else if (found.flags < 0 && isField(name, names.flags)) found.flags = at + 1
        break
      case 11:
        if (found.traceparent < 0 && isField(name, names.traceparent)) found.traceparent = at + 1
        else if (found.span < 0 && isField(name, names.span)) found.span = at + 1
        break
      case 12:
        if (found.requestId < 0 && isField(name, names.requestId)) found.requestId = at + 1
        else if (found.trace < 0 && isField(name, names.trace)) found.trace = at + 1
        else if (found.sampled < 0 && isField(name, names.sampled)) found.sampled = at + 1
        break
      case 17:
        if (found.parent < 0 && isField(name, names.parent)) found.parent = at + 1
        break
      default:
    }
  }
}

const unsampled: TraceParent = { traceId: '', spanId: '', sampled: false }

function parentIn(headers: readonly string[], found: Found): TraceParent | undefined {
  const value = (at: number) => (at < 0 ? undefined : headers[at])
  const { traceparent, b3, trace, sampled, flags } = found
  if (traceparent >= 0) {
    const text = headers[traceparent] ?? ''
    // Most requests are not traced, and then nothing else of it is needed.
    if (isUnsampled(text)) return unsampled
    const w3c = parseTraceparent(text)
    if (w3c !== undefined) return w3c
  }
  const single = b3 < 0 ? undefined : parseB3(headers[b3] ?? '')
  if (single !== undefined) return single
  if (trace < 0 && sampled < 0 && flags < 0) return undefined
  return parseB3Fields({
    trace: value(trace),
    span: value(found.span),
    sampled: value(sampled),
    flags: value(flags),
  })
}

/** Our span becomes the parent of whatever follows, in each of the ways the caller spoke of this trace; W3C's always. */
function announce(headers: string[], span: RequestSpan, found: Found): void {
  const { traceId, spanId, parentId } = span
  if (found.tracestate >= 0 && span.traceState === '') headers[found.tracestate] = ''
  put(headers, found.traceparent, names.traceparent, `00-${traceId}-${spanId}-01`)
  const single = found.b3 < 0 ? undefined : parseB3(headers[found.b3] ?? '')
  if (single !== undefined && isOf(single.traceId, traceId)) {
    headers[found.b3] = `${traceId}-${spanId}-1${parentId === '' ? '' : `-${parentId}`}`
  }
  if (found.trace < 0 && found.sampled < 0 && found.flags < 0) return
  const theirs = headers[found.trace] ?? ''
  if (!isOf(theirs.length === 16 ? theirs.padStart(32, '0') : theirs, traceId)) return
  put(headers, found.trace, names.trace, theirs === '' ? traceId : theirs)
  put(headers, found.span, names.span, spanId)
  put(headers, found.sampled, names.sampled, '1')
  if (parentId !== '') put(headers, found.parent, names.parent, parentId)
}

/** A decision alone belongs to any trace. */
function isOf(theirs: string, ours: string): boolean {
  return theirs === '' || theirs.toLowerCase() === ours
}

function put(headers: string[], at: number, name: string, value: string): void {
  if (at < 0) headers.push(name, value)
  else headers[at] = value
}
