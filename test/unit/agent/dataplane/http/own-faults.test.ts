import { request as send } from 'node:http'
import t from 'tap'
import { aMeshedPair } from '../../../../support/data-threads.ts'

/** What a caller is answered by its own agent. */
function call(port: number): Promise<{ readonly status: number | undefined; readonly reason: unknown }> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'api.default.mesh' }
    const request = send({ port, host: '127.0.0.1', headers, agent: false }, response => {
      response.resume()
      response.on('end', () => resolve({ status: response.statusCode, reason: response.headers['weft-reason'] }))
    })
    request.on('error', reject)
    request.end()
  })
}

t.test('a caller whom its own agent cannot vouch for is refused at once, and no endpoint is blamed', async t => {
  for (const [change, wanted] of [
    [{ role: { kind: 'outbound' } }, { status: 403, reason: 'UNKNOWN_CALLER' }],
    [{ callerCredentials: [] }, { status: 503, reason: /^NO_CERTIFICATE spiffe:/ }],
  ] as const) {
    const pair = await aMeshedPair(t, 1, { protocol: 'http', ...change })
    t.match(await call(pair.outboundPort), wanted)
    const [{ labels = '' } = {}] = pair.caller.report().http
    t.match(labels, /response_flags="(-|UF)"/, 'without a retry that was used up')
  }
})
