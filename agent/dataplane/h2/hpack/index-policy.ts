/** Whether a field may enter the dynamic table of the peer. */
export type IndexPolicy = 'index' | 'plain' | 'secret'

/** Never put into anyone's table, also not by a proxy behind the peer: RFC 7541 section 7.1.3. */
export const secretNames: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'x-api-key',
  'x-auth-token',
  'x-amz-security-token',
  'x-csrf-token',
  'x-forwarded-access-token',
])

/** Other for almost every message: an entry for each would only push out those that serve. */
const changingNames: ReadonlySet<string> = new Set([
  ':path',
  'age',
  'b3',
  'content-length',
  'content-range',
  'date',
  'etag',
  'expires',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'last-modified',
  'location',
  'range',
  'referer',
  'sec-websocket-accept',
  'sec-websocket-key',
  'traceparent',
  'tracestate',
  'x-b3-parentspanid',
  'x-b3-spanid',
  'x-b3-traceid',
  'x-envoy-upstream-service-time',
  'x-request-id',
])

/** The policy of a field by its name, in whatever case. */
export function indexPolicyOf(name: string): IndexPolicy {
  const lower = name.toLowerCase()
  if (secretNames.has(lower)) return 'secret'
  return changingNames.has(lower) ? 'plain' : 'index'
}
