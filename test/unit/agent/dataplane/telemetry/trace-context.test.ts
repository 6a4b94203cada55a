import t from 'tap'
import { unknownPeer } from '../../../../../agent/dataplane/telemetry/peer-labels.ts'
import { RequestRecord } from '../../../../../agent/dataplane/telemetry/request-record.ts'
import { Tracer, type TraceSettings } from '../../../../../agent/dataplane/telemetry/trace-context.ts'
import { parseB3, parseTraceparent } from '../../../../../agent/dataplane/telemetry/trace-parents.ts'

const trace = '0af7651916cd43dd8448eb211c80319c'
const span = 'b7ad6b7169203331'
const id = ['x-request-id', 'r-1']

interface Options {
  readonly direction?: 'inbound' | 'outbound'
  readonly security?: 'mutual_tls' | 'none'
  readonly settings?: TraceSettings | undefined
  readonly random?: number
}

/** What becomes of a request's headers, and its record. */
function begin(before: readonly string[], options: Options = {}) {
  const { direction = 'outbound', security = 'none', random = 0.5 } = options
  const tracer = new Tracer(() => random)
  tracer.settings = 'settings' in options ? options.settings : { sampling: 1 }
  const record = new RequestRecord(direction, 0, 0, unknownPeer, unknownPeer)
  record.security = security
  const headers = [...before]
  tracer.begin(headers, record)
  return { headers, record, field: (name: string) => headers[headers.indexOf(name) + 1] }
}

t.test('a request without an id gets one, and one that has one keeps it', async t => {
  const { headers, record } = begin([':method', 'GET', 'accept', '*/*'])
  t.match(record.requestId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  t.same(headers, [':method', 'GET', 'accept', '*/*', 'x-request-id', record.requestId])
  t.not(begin([]).record.requestId, record.requestId)
  const kept = begin(['X-Request-ID', 'mine'])
  t.same(kept.headers, ['X-Request-ID', 'mine'])
  t.equal(kept.record.requestId, 'mine')
})

t.test('a request that is not traced is left as it is', async t => {
  const requests: readonly (readonly string[])[] = [
    id,
    [...id, 'traceparent', `00-${trace}-${span}-00`, 'tracestate', 'a=b'],
    [...id, 'b3', '0'],
    [...id, 'b3', `${trace}-${span}-0`],
    [...id, 'x-b3-traceid', trace, 'x-b3-spanid', span, 'x-b3-sampled', '0'],
    [...id, 'x-b3-sampled', 'false'],
    [...id, 'x-b3-traceid', trace, 'x-b3-spanid', span],
  ]
  for (const request of requests) {
    const { headers, record } = begin(request)
    t.same(headers, request)
    t.equal(record.span, undefined)
  }
  const sampled = [...id, 'traceparent', `00-${trace}-${span}-01`]
  t.same(begin(sampled, { settings: undefined }).headers, sampled, 'nothing is traced that goes nowhere')
})

t.test('a traced request’s parent is our span, and the trace and its state stay', async t => {
  const { record, headers, field } = begin([...id, 'traceparent', `00-${trace}-${span}-01`, 'tracestate', 'vendor=1'])
  t.match(record.span, { traceId: trace, parentId: span, traceState: 'vendor=1', spanId: /^[0-9a-f]{16}$/ })
  t.not(record.span?.spanId, span)
  t.equal(field('traceparent'), `00-${trace}-${record.span?.spanId}-01`)
  t.equal(field('tracestate'), 'vendor=1')
  t.equal(headers.length, 6, 'no other field came')
})

t.test('B3 is understood and spoken where the caller speaks it', async t => {
  const single = begin([...id, 'b3', `${trace}-${span}-1`])
  t.match(single.record.span, { traceId: trace, parentId: span })
  t.equal(single.field('b3'), `${trace}-${single.record.span?.spanId}-1-${span}`)
  t.equal(single.field('traceparent'), `00-${trace}-${single.record.span?.spanId}-01`)
  const several = begin([...id, 'X-B3-TraceId', trace.slice(16), 'X-B3-SpanId', span, 'X-B3-Sampled', '1'])
  t.match(several.record.span, { traceId: `0000000000000000${trace.slice(16)}`, parentId: span })
  t.equal(several.field('X-B3-TraceId'), trace.slice(16), 'a short trace id stays short for who gave it')
  t.equal(several.field('X-B3-SpanId'), several.record.span?.spanId)
  t.equal(several.field('x-b3-parentspanid'), span)
  for (const decision of [
    ['b3', '1'],
    ['b3', 'd'],
    ['x-b3-sampled', '1'],
    ['x-b3-flags', '1'],
  ]) {
    t.match(begin([...id, ...decision], { random: 0.99 }).record.span, { parentId: '', traceId: /^[0-9a-f]{32}$/ })
  }
})

t.test('B3 of another trace than W3C’s is not touched', async t => {
  const other = trace.replaceAll('0', '1')
  const { field, record } = begin([...id, 'traceparent', `00-${trace}-${span}-01`, 'b3', `${other}-${span}-1`])
  t.equal(record.span?.traceId, trace)
  t.equal(field('b3'), `${other}-${span}-1`)
})

t.test('without a decision a share of the requests is traced', async t => {
  t.not(begin(id, { random: 0.0099 }).record.span, undefined)
  t.equal(begin(id, { random: 0.01 }).record.span, undefined)
  t.not(begin(id, { random: 0.999, settings: { sampling: 100 } }).record.span, undefined)
  t.equal(begin(id, { random: 0, settings: { sampling: 0 } }).record.span, undefined)
  const { record, field } = begin(id, { random: 0 })
  t.equal(record.span?.parentId, '')
  t.equal(field('traceparent'), `00-${record.span?.traceId}-${record.span?.spanId}-01`)
  const deferred = begin([...id, 'x-b3-traceid', trace, 'x-b3-spanid', span], { random: 0 })
  t.match(deferred.record.span, { traceId: trace, parentId: span })
  t.equal(deferred.field('x-b3-sampled'), '1')
})

t.test('an agent that said nothing has decided, and a stranger has not', async t => {
  const options = { direction: 'inbound', settings: { sampling: 100 } } as const
  t.equal(begin(id, { ...options, security: 'mutual_tls' }).record.span, undefined)
  t.not(begin(id, { ...options, security: 'none' }).record.span, undefined)
  const traced = begin([...id, 'traceparent', `00-${trace}-${span}-01`], { ...options, security: 'mutual_tls' })
  t.equal(traced.record.span?.parentId, span)
})

t.test('what breaks the rules of traceparent and b3 is no context', async t => {
  const bad = [
    '',
    `00-${trace}-${span}`,
    `00-${trace}-${span}-0`,
    `00-${trace}-${span}-01-x`,
    `ff-${trace}-${span}-01`,
    `0x-${trace}-${span}-01`,
    `00-${trace.toUpperCase()}-${span}-01`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00_${trace}-${span}-01`,
    `00-${trace}-${span}-zz`,
  ]
  for (const text of bad) t.equal(parseTraceparent(text), undefined, text)
  t.match(parseTraceparent(`cc-${trace}-${span}-01-what-comes`), { traceId: trace, sampled: true })
  for (const text of [
    '',
    '2',
    'x',
    trace,
    `${trace}-`,
    `${trace}-${span.slice(1)}-1`,
    `${trace}x-${span}-1`,
    '-----',
  ]) {
    t.equal(parseB3(text), undefined, text)
  }
  const { record, field } = begin([...id, 'traceparent', 'nonsense', 'tracestate', 'a=b'], { random: 0 })
  t.equal(record.span?.parentId, '')
  t.equal(record.span?.traceState, '')
  t.equal(field('tracestate'), '', 'the state of nothing is no state')
})
