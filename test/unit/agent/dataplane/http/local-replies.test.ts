import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import {
  directReply,
  type LocalReply,
  localReply,
  redirectReply,
} from '../../../../../agent/dataplane/http/local-replies.ts'
import { joinFlags, outcomes } from '../../../../../agent/dataplane/http/outcomes.ts'
import { type Reason, reasons } from '../../../../../agent/dataplane/reasons.ts'

interface Recorded {
  readonly id: string
  readonly topic: string
  readonly resources: readonly string[]
  readonly proxy: { readonly type: string }
  readonly request: { readonly method: string; readonly headers: readonly (readonly [string, string])[] }
  readonly result: {
    readonly status: number | null
    readonly cluster: object | null
    readonly response: { readonly headers: readonly (readonly [string, string])[]; readonly body?: string }
  }
}

/** What Istio's sidecars answered themselves. HEAD is left out: a body is for whoever writes it to the wire. */
const recorded = gunzipSync(readFileSync('test/fixtures/istio/routes.jsonl.gz'))
  .toString()
  .split('\n')
  .filter(line => line !== '')
  .map(line => JSON.parse(line) as Recorded)
  .filter(({ proxy, request, result }) => {
    return proxy.type === 'sidecar' && request.method !== 'HEAD' && result.response?.body !== undefined
  })

const plain = { isGrpc: false, detail: '', rule: '' }
const fieldsOf = (list: readonly string[]) =>
  Object.fromEntries(list.flatMap((name, at) => (at % 2 === 0 ? [[name, list[at + 1]]] : [])))

/** Of a recorded case: what we say in its place; undefined for what is not of this file, such as CORS. */
function ours(one: Recorded): LocalReply | undefined {
  const { status, response } = one.result
  const isGrpc = one.request.headers.some(([name, value]) => name === 'content-type' && value === 'application/grpc')
  const headers = Object.fromEntries(response.headers)
  const text = one.resources.join('\n')
  const body = response.body ?? ''
  if (headers.location !== undefined && !text.includes('directResponse')) {
    return redirectReply({ status: status ?? 0, location: headers.location })
  }
  if (one.topic === 'fault') {
    const grpc = /grpcStatus: (\w+)/.exec(text)?.[1]
    const [, http = '0'] = /httpStatus: (\d+)/.exec(text) ?? []
    const abort =
      grpc === undefined
        ? ({ kind: 'http', status: Number(http) } as const)
        : ({ kind: 'grpc', status: Number(grpcCodes[grpc]) } as const)
    return localReply('FAULT_ABORT', { ...plain, isGrpc, abort })
  }
  if (body.startsWith('upstream connect error')) {
    return localReply('UPSTREAM_RESET', { ...plain, isGrpc, retried: body.includes('retried') })
  }
  if (status === 504) return localReply('REQUEST_TIMEOUT', { ...plain, isGrpc })
  if (status === 503 && (one.topic === 'dest-missing' || one.topic === 'port-dest'))
    return localReply('NO_CLUSTER', { ...plain, isGrpc })
  if (status === 502) return localReply('BLOCKED_HOST', { ...plain, isGrpc })
  if (status === 404 || (isGrpc && headers['grpc-message'] === undefined && one.topic !== 'direct')) {
    return localReply('NO_HTTP_ROUTE', { ...plain, isGrpc })
  }
  if (one.topic === 'direct' && Object.keys(headers).every(name => expectedFields.has(name))) {
    const [, wanted = '0'] = /directResponse:\s+(?:\w+:\s+\w+:[^\n]*\s+)?status: (\d+)/.exec(text) ?? []
    return directReply({ status: Number(wanted), body: Buffer.from(body) }, isGrpc)
  }
  return undefined
}

const grpcCodes: Readonly<Record<string, number>> = {
  OK: 0,
  NOT_FOUND: 5,
  RESOURCE_EXHAUSTED: 8,
  INTERNAL: 13,
  UNAVAILABLE: 14,
}
const expectedFields = new Set([
  'content-length',
  'content-type',
  'grpc-status',
  'grpc-message',
  'server',
  'connection',
])
const compared = ['location', 'content-length', 'content-type', 'grpc-status']

t.test('what Istio’s sidecars answer themselves is answered with the same status, fields and text', async t => {
  const seen = new Map<string, number>()
  for (const one of recorded) {
    const reply = ours(one)
    if (reply === undefined) continue
    seen.set(reply.reason, (seen.get(reply.reason) ?? 0) + 1)
    const { status, response } = one.result
    const theirs = Object.fromEntries(response.headers)
    const fields = fieldsOf(reply.headers)
    t.equal(reply.status, status, one.id)
    t.equal(fields[':status'], String(status), one.id)
    for (const name of compared) t.equal(fields[name], theirs[name], `${one.id} ${name}`)
    if (reply.reason === 'FAULT_ABORT') t.equal(fields['grpc-message'], theirs['grpc-message'], one.id)
    t.equal(reply.body?.toString() ?? '', response.body, one.id)
  }
  for (const reason of [
    'NO_HTTP_ROUTE',
    'REDIRECT',
    'FAULT_ABORT',
    'UPSTREAM_RESET',
    'REQUEST_TIMEOUT',
    'BLOCKED_HOST',
  ]) {
    t.ok(seen.get(reason), `${reason}: ${seen.get(reason)} recordings`)
  }
})

t.test('every reason has an answer, with the length it says and the reason in it', async t => {
  for (const reason of Object.keys(reasons) as Reason[]) {
    const { headers, body, status, details } = localReply(reason, { ...plain, detail: 'shop/cart' })
    const fields = fieldsOf(headers)
    t.equal(fields['content-length'], String(body?.length ?? 0), reason)
    t.equal(fields['weft-reason'], `${reason} shop/cart`)
    t.equal(Number(fields[':status']), status)
    t.equal(details, outcomes[reason].details)
    t.match(details, /^[a-z0-9_.{}[\]]+$/, 'one word, for the text format of the access log')
  }
})

t.test('a caller of gRPC gets its status, and the reason in words', async t => {
  const reply = localReply('NO_HEALTHY_ENDPOINT', { isGrpc: true, detail: 'outbound|80||cart', rule: '' })
  t.same(fieldsOf(reply.headers), {
    ':status': '200',
    'content-type': 'application/grpc',
    'grpc-status': '14',
    'grpc-message': 'NO_HEALTHY_ENDPOINT: no healthy upstream',
    'content-length': '0',
    'weft-reason': 'NO_HEALTHY_ENDPOINT outbound|80||cart',
  })
  t.match(reply, { status: 200, grpcStatus: 14, body: undefined, flags: 'UH', details: 'no_healthy_upstream' })
  const direct = directReply({ status: 200, body: Buffer.from('100 % größer\n') }, true)
  t.equal(fieldsOf(direct.headers)['grpc-message'], '100 %25 gr%C3%B6%C3%9Fer%0A')
})

t.test('the rule is named rather than the detail, and nothing that either holds can end the header', async t => {
  const reason = (detail: string, rule: string) =>
    fieldsOf(localReply('NO_CLUSTER', { isGrpc: false, detail, rule }).headers)['weft-reason'] ?? ''
  t.equal(reason('x', 'VirtualService shop/cart http[1]'), 'NO_CLUSTER VirtualService shop/cart http[1]')
  t.equal(reason('', ''), 'NO_CLUSTER')
  t.equal(reason('a\r\nset-cookie: x\u00e9', ''), 'NO_CLUSTER a??set-cookie: x?')
  t.ok(reason('x'.repeat(10_000), '').length <= 256)
})

t.test('flags that a request has got on its way stay, in Envoy’s order', async t => {
  const flags = (before: string) => localReply('REQUEST_TIMEOUT', { ...plain, flags: before }).flags
  t.equal(flags(''), 'UT')
  t.equal(flags('DI'), 'UT,DI')
  t.equal(flags('URX'), 'UT,URX')
  t.equal(flags('UT'), 'UT')
  t.equal(joinFlags('URX', 'UF'), 'UF,URX')
  t.equal(joinFlags('DI', ''), 'DI')
  t.equal(joinFlags('DI,FI', 'UF,DI'), 'UF,DI,FI')
})

t.test('callers are told when the circuit breaker is open', async t => {
  t.equal(fieldsOf(localReply('UPSTREAM_OVERFLOW', plain).headers)['x-envoy-overloaded'], 'true')
})
