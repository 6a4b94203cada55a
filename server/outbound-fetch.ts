import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { LookupFunction } from 'node:net'
import type { Clock } from '../mesh/std/clock.ts'
import { MeshError } from '../mesh/std/errors.ts'
import type { Destination, OutboundUrls } from './outbound-url.ts'

export interface FetchOptions {
  /** For everything: look-up, connection, head and body. */
  readonly timeoutMs: number
  readonly maxBytes: number
}

/**
 * Gets the text behind a URL: connects to the addresses that were checked and to no other, follows no redirect, and reads
 * nothing but status 200. Throws WEFT_URL_REFUSED, or WEFT_URL_UNAVAILABLE, which never repeats anything of an answer.
 */
export type FetchText = (url: string, options: FetchOptions, signal: AbortSignal) => Promise<string>

export interface FetchTextDeps {
  readonly urls: OutboundUrls
  readonly clock: Clock
  /** Authorities in PEM that servers may have besides those that the system trusts; undefined for none. */
  readonly authorities?: readonly string[] | undefined
}

export function createFetchText({ urls, clock, authorities }: FetchTextDeps): FetchText {
  return async (text, { timeoutMs, maxBytes }, signal) => {
    const ended = new AbortController()
    const end = () => ended.abort()
    const timer = clock.timer(timeoutMs, end)
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    try {
      const destination = await unlessAborted(urls.resolve(text, ended.signal), ended.signal)
      return await get(destination, maxBytes, authorities, ended.signal)
    } catch (cause) {
      if (cause instanceof MeshError) throw cause
      if (ended.signal.aborted)
        throw unavailable(text, signal.aborted ? 'is not fetched any more' : 'does not answer in time')
      throw unavailable(text, 'cannot be fetched', cause)
    } finally {
      timer.cancel()
      signal.removeEventListener('abort', end)
      end()
    }
  }
}

async function get(
  destination: Destination,
  maxBytes: number,
  authorities: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<string> {
  const { url } = destination
  const response = await head(destination, authorities, signal)
  const { statusCode, headers } = response
  if (statusCode !== 200) throw unavailable(url.href, 'answers with another status than 200', undefined, { statusCode })
  const coding = headers['content-encoding'] ?? 'identity'
  if (coding !== 'identity') throw unavailable(url.href, 'answers in a coding that was not asked for')
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += chunk.length
    if (bytes > maxBytes) throw unavailable(url.href, 'answers with more than is read', undefined, { maxBytes })
    chunks.push(chunk)
  }
  if (!response.complete) throw unavailable(url.href, 'breaks off')
  return Buffer.concat(chunks, bytes).toString('utf8')
}

function head(
  destination: Destination,
  authorities: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const { url } = destination
  const options = {
    agent: false,
    signal,
    lookup: pinnedLookup(destination),
    headers: { accept: 'application/json', 'accept-encoding': 'identity', 'user-agent': 'weft' },
    maxHeaderSize: 16 * 1024,
  }
  return new Promise((resolve, reject) => {
    const request =
      url.protocol === 'https:'
        ? https.request(url, authorities === undefined ? options : { ...options, ca: [...authorities] })
        : http.request(url, options)
    request.once('response', response => {
      // whoever reads it is told; when nobody does, nobody needs to be
      response.on('error', () => {})
      resolve(response)
    })
    request.on('error', reject)
    request.end()
  })
}

/** Says again what was checked, whatever name is asked for; never looks anything up. */
function pinnedLookup({ addresses }: Destination): LookupFunction {
  return (_host, { all }, done) => {
    if (all === true) done(null, [...addresses])
    else done(null, addresses[0].address, addresses[0].family)
  }
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(new Error('aborted'))
    signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true })
    promise.then(resolve, reject)
  })
}

function unavailable(
  url: string,
  what: string,
  cause?: unknown,
  fields: Readonly<Record<string, unknown>> = {},
): MeshError {
  const { origin = '' } = URL.parse(url) ?? {}
  return new MeshError('WEFT_URL_UNAVAILABLE', `the URL ${what}`, { fields: { url: origin, ...fields }, cause })
}
