import * as http from 'node:http'
import * as https from 'node:https'
import { type CheckResult, failed, type RunCheck, urlOf } from './check.ts'

/** More of an answer than this is not read: the status has said it all. */
const maxBodyBytes = 64 * 1024
const maxHeaderBytes = 16 * 1024

/**
 * Healthy when the answer to a GET has a status from 200 to 399, as kubelet and Istio take it (kubernetes.io, Configure
 * Liveness, Readiness and Startup Probes). Redirects are not followed; certificates are not verified, because the check
 * asks whether something answers, and who it is has been settled by its address.
 */
export const checkHttp: RunCheck<'http'> = (check, address, signal) =>
  new Promise<CheckResult>(resolve => {
    const done = (result: CheckResult) => {
      asking.destroy()
      resolve(result)
    }
    const asking = (check.scheme === 'https' ? https : http).request(urlOf(check, address), {
      headers: headersOf(check.headers),
      signal,
      // A connection of its own: a kept one would say that an old process still answers.
      agent: false,
      maxHeaderSize: maxHeaderBytes,
      rejectUnauthorized: false,
    })
    asking.once('error', error => done(failed(error)))
    asking.once('response', response => {
      const status = response.statusCode ?? 0
      const healthy = status >= 200 && status < 400
      const result = { healthy, reason: healthy ? '' : `${status} ${http.STATUS_CODES[status] ?? ''}`.trim() }
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > maxBodyBytes) done(result)
      })
      // What is cut off or never ends after its status does not change the status.
      response.once('close', () => done(result))
      signal.addEventListener('abort', () => done(result), { once: true })
    })
    asking.end()
  })

/** Our own headers, replaced by those that are given; Host can be there only once (RFC 9110 section 7.2). */
function headersOf(given: readonly (readonly [string, string])[]): Record<string, string | string[]> {
  const grouped = Map.groupBy(given, ([name]) => name.toLowerCase())
  const headers = [...grouped].map(([name, pairs]): [string, string | string[]] => {
    const values = pairs.map(([, value]) => value)
    return [name, name === 'host' ? (values.at(-1) ?? '') : values]
  })
  return { 'user-agent': 'weft-probe', accept: '*/*', connection: 'close', ...Object.fromEntries(headers) }
}
