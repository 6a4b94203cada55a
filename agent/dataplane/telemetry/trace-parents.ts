/**
 * The ways in which callers say what trace a request belongs to: W3C's `traceparent`, and B3 as one field or several.
 * What does not follow their rules is as good as absent.
 */
export interface TraceParent {
  /** 32 hexadecimal digits; empty when only a decision was made. */
  readonly traceId: string
  /** 16 of the caller's span. */
  readonly spanId: string
  /** Undefined when the decision is left to whoever comes next. */
  readonly sampled: boolean | undefined
}

const traceIdEnd = 35
const spanIdEnd = 52
const parentLength = 55

/** W3C Trace Context, `traceparent`: `00-<trace>-<span>-<flags>`; later versions may be longer. */
export function parseTraceparent(text: string): TraceParent | undefined {
  if (text.length < parentLength || text[2] !== '-' || text[traceIdEnd] !== '-' || text[spanIdEnd] !== '-') {
    return undefined
  }
  const version = text.slice(0, 2)
  if (!isHex(version) || version === 'ff') return undefined
  if (text.length > parentLength && (version === '00' || text[parentLength] !== '-')) return undefined
  const traceId = text.slice(3, traceIdEnd)
  const spanId = text.slice(traceIdEnd + 1, spanIdEnd)
  const flags = text.slice(spanIdEnd + 1, parentLength)
  if (!isId(traceId) || !isId(spanId) || !isHex(flags)) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

/** Whether a `traceparent` that is of version 00 and otherwise right says that its request is not traced. */
export function isUnsampled(text: string): boolean {
  if (text.length !== parentLength || text[0] !== '0' || text[1] !== '0' || text[spanIdEnd] !== '-') return false
  const flags = text.charCodeAt(parentLength - 1)
  const digit = (flags >= 0x30 && flags <= 0x39) || (flags >= 0x61 && flags <= 0x66)
  // The codes of 0, 2 to 8 are even as they are; those of b, d and f, which stand for odd numbers, are even, too.
  return digit && ((flags & 1) === 0) === flags < 0x40
}

/** B3 in one field: `<trace>-<span>[-<sampled>[-<parent>]]`, or a decision alone. */
export function parseB3(text: string): TraceParent | undefined {
  if (text.length <= 5) {
    const sampled = decision(text)
    return sampled === undefined ? undefined : { traceId: '', spanId: '', sampled }
  }
  const [trace = '', spanId = '', state] = text.split('-', 4)
  return ids(trace, spanId, state === undefined ? undefined : decision(state))
}

/** B3 in several fields; undefined for those that are absent. Debug (`flags` 1) means sampled. */
export function parseB3Fields(fields: {
  readonly trace: string | undefined
  readonly span: string | undefined
  readonly sampled: string | undefined
  readonly flags: string | undefined
}): TraceParent | undefined {
  const sampled = fields.flags === '1' ? true : fields.sampled === undefined ? undefined : decision(fields.sampled)
  if (fields.trace === undefined || fields.span === undefined) {
    return sampled === undefined ? undefined : { traceId: '', spanId: '', sampled }
  }
  return ids(fields.trace, fields.span, sampled)
}

/** B3's trace ids may have 16 digits: they are the lower half. */
function ids(trace: string, spanId: string, sampled: boolean | undefined): TraceParent | undefined {
  const traceId = (trace.length === 16 ? trace.padStart(32, '0') : trace).toLowerCase()
  if (traceId.length !== 32 || !isId(traceId) || spanId.length !== 16 || !isId(spanId.toLowerCase())) return undefined
  return { traceId, spanId: spanId.toLowerCase(), sampled }
}

function decision(text: string): boolean | undefined {
  switch (text) {
    case '1':
    case 'd':
    case 'true':
      return true
    case '0':
    case 'false':
      return false
    default:
      return undefined
  }
}

/** Lower-case digits, and not all zero. */
function isId(text: string): boolean {
  if (!isHex(text)) return false
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) !== 0x30) return true
  return false
}

function isHex(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    if ((unit < 0x30 || unit > 0x39) && (unit < 0x61 || unit > 0x66)) return false
  }
  return true
}
