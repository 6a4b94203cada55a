/** What a field's name means to the codec; everything else is passed on unread. */
export const fieldKind = {
  plain: 0,
  host: 1,
  connection: 2,
  contentLength: 3,
  transferEncoding: 4,
  te: 5,
  upgrade: 6,
  expect: 7,
  /** Of this connection only and of no use to us: RFC 9110 section 7.6.1. */
  dropped: 8,
} as const

/** A name that is often seen: one string for all that carry it. */
interface KnownName {
  readonly lower: string
  /** As most clients write it: `Content-Type`. */
  readonly usual: string
  readonly kind: number
  readonly next: KnownName | undefined
}

const special: Readonly<Record<string, number>> = {
  host: fieldKind.host,
  connection: fieldKind.connection,
  'content-length': fieldKind.contentLength,
  'transfer-encoding': fieldKind.transferEncoding,
  te: fieldKind.te,
  upgrade: fieldKind.upgrade,
  expect: fieldKind.expect,
  'keep-alive': fieldKind.dropped,
  'proxy-connection': fieldKind.dropped,
  'proxy-authenticate': fieldKind.dropped,
  'proxy-authorization': fieldKind.dropped,
  'proxy-authentication-info': fieldKind.dropped,
  trailer: fieldKind.dropped,
  'http2-settings': fieldKind.dropped,
}

const frequent: readonly string[] = [
  'accept',
  'accept-encoding',
  'accept-language',
  'accept-ranges',
  'access-control-allow-origin',
  'age',
  'authorization',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'cookie',
  'date',
  'etag',
  'expires',
  'forwarded',
  'grpc-encoding',
  'grpc-message',
  'grpc-status',
  'grpc-timeout',
  'if-modified-since',
  'if-none-match',
  'last-modified',
  'location',
  'origin',
  'pragma',
  'range',
  'referer',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'server',
  'set-cookie',
  'strict-transport-security',
  'traceparent',
  'tracestate',
  'user-agent',
  'vary',
  'via',
  'weft-reason',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-spanid',
  'x-b3-traceid',
  'x-content-type-options',
  'x-envoy-attempt-count',
  'x-envoy-decorator-operation',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-upstream-service-time',
  'x-forwarded-client-cert',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-frame-options',
  'x-powered-by',
  'x-request-id',
]

const slots = 512
const table = knownNames()

/** Adds an octet to a name's hash; letters of either case count the same. Begins with 0. */
export function hashOctet(hash: number, octet: number): number {
  return (hash * 31 + (octet | 0x20)) | 0
}

/** What the last call of {@link nameOf} found out about the name's meaning. */
export class FieldNames {
  kind: number = fieldKind.plain

  /** The name in `bytes`, which consists of token octets and has this hash; sets {@link kind}. */
  nameOf(bytes: Buffer, from: number, to: number, hash: number): string {
    const length = to - from
    for (let known = table[hash & (slots - 1)]; known !== undefined; known = known.next) {
      if (known.lower.length !== length || !sameWithoutCase(known.lower, bytes, from)) continue
      this.kind = known.kind
      if (same(known.usual, bytes, from)) return known.usual
      return same(known.lower, bytes, from) ? known.lower : bytes.toString('latin1', from, to)
    }
    const name = bytes.toString('latin1', from, to)
    this.kind = ((bytes[from] ?? 0) | 0x20) === 0x70 && isProxyAuth(name) ? fieldKind.dropped : fieldKind.plain
    return name
  }
}

/** What a field of this name would mean, for names that come from elsewhere. */
export function kindOf(name: string): number {
  const { length } = name
  // No name with a meaning is shorter than `te` or longer than `proxy-authentication-info`.
  if (length < 2 || length > 25) return fieldKind.plain
  let hash = 0
  for (let at = 0; at < length; at += 1) hash = hashOctet(hash, name.charCodeAt(at))
  for (let known = table[hash & (slots - 1)]; known !== undefined; known = known.next) {
    if (known.lower === name || known.usual === name) return known.kind
    if (known.lower.length === length && known.lower === name.toLowerCase()) return known.kind
  }
  return isProxyAuth(name) ? fieldKind.dropped : fieldKind.plain
}

function isProxyAuth(name: string): boolean {
  return name.length >= 10 && name.slice(0, 10).toLowerCase() === 'proxy-auth'
}

function sameWithoutCase(lower: string, bytes: Buffer, from: number): boolean {
  for (let at = 0; at < lower.length; at += 1) {
    if (lower.charCodeAt(at) !== ((bytes[from + at] ?? 0) | 0x20)) return false
  }
  return true
}

function same(name: string, bytes: Buffer, from: number): boolean {
  for (let at = 0; at < name.length; at += 1) if (name.charCodeAt(at) !== bytes[from + at]) return false
  return true
}

function knownNames(): (KnownName | undefined)[] {
  const built: (KnownName | undefined)[] = new Array(slots).fill(undefined)
  for (const lower of [...Object.keys(special), ...frequent]) {
    let hash = 0
    for (let at = 0; at < lower.length; at += 1) hash = hashOctet(hash, lower.charCodeAt(at))
    const slot = hash & (slots - 1)
    const usual = lower.replaceAll(/(^|-)[a-z]/g, letter => letter.toUpperCase())
    built[slot] = { lower, usual, kind: special[lower] ?? fieldKind.plain, next: built[slot] }
  }
  return built
}
