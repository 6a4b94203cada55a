/** What is wrong with an answer. */
export type NomadFault =
  /** Another status with a text, as plain text. */
  | { readonly kind: 'status'; readonly status: number; readonly body?: string; readonly headers?: object }
  /** 200 and nothing in it: what a token without rights gets of `/v1/services?namespace=*`, and an empty store. */
  | { readonly kind: 'empty' }
  /** 200 and only the first half of a list. */
  | { readonly kind: 'half' }
  /** The right body under another `X-Nomad-Index`; undefined sends none. */
  | { readonly kind: 'index'; readonly index: number | undefined }
  /** 500 after a while; with `stale` 200, an empty list and KnownLeader false at once. */
  | { readonly kind: 'no-leader'; readonly afterMs: number }
  /** Bytes as they are, and the end of the connection: `too-many` is the 429 of a full server. */
  | { readonly kind: 'raw'; readonly bytes: string }
  /** A good status with a body that is no JSON. */
  | { readonly kind: 'garbage' }
  /** Any JSON, under the true index or another. */
  | { readonly kind: 'body'; readonly body: unknown; readonly index?: number }
  /** Nothing, ever; of an event stream its headers and then nothing, which is how Nomad denies one. */
  | { readonly kind: 'hang' }
  /** The connection ends, in the middle of a body when `midway`. */
  | { readonly kind: 'cut'; readonly midway: boolean }

/** What a server says to a connection over its limit, before any request is read. */
export const tooManyConnections = [
  'HTTP/1.1 429 Too Many Requests',
  'Content-Type: text/plain',
  'Content-Length: 81',
  'Connection: close',
  '',
  'Your IP is issuing too many concurrent connections, please rate limit your calls\n',
].join('\r\n')
