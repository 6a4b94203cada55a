import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { aConfig, aPlainEndpoint, aService, aWorkload } from '../support/agent-config.ts'
import { aMeshedPair, aThread, identityOf } from '../support/data-threads.ts'
import { recordingBackend, responseCases, runRequestCases } from '../support/http1-cases.ts'
import { judgeResponse, ResponseBackend } from '../support/http1-responses.ts'

/** What the request path adds: to every request, and to one that came over the mesh. */
const added = /^(?:x-forwarded-proto|x-request-id|x-envoy-attempt-count|x-forwarded-client-cert): .*\r\n/gm

function withoutAdded(request: string): string {
  const headEnd = request.indexOf('\r\n\r\n') + 2
  return request.slice(0, headEnd).replace(added, '') + request.slice(headEnd)
}

/** What is no request at all is not answered as one: on a port that speaks HTTP the connection is reset. */
const noRequests = new Set([
  "HTTP/2's preface",
  'a TLS ClientHello',
  'an empty method',
  'a method with a colon',
  'a method with a parenthesis',
  'a method with a NUL',
  'a method with an octet from 0x80 on',
  'a method in quotes',
  'a status line instead of a request line',
  'only a method',
  'only a method and a space',
  'no target',
  'two spaces before the target',
  'a space before the method',
  'a tab before the target',
  'a form feed between the parts',
  'a method that never ends',
])

/** The port of an agent that takes `web`'s calls, for a service outside the mesh at `port`. */
async function anOutboundAgent(t: Test, port: number): Promise<number> {
  const endpoint = aPlainEndpoint({ address: '127.0.0.1', ports: { http: port } })
  const service = aService({ endpoints: [endpoint] })
  const originalDst = { address: '240.240.0.1', port: 80 }
  const caller = await aThread(t, { kind: 'outbound', identity: identityOf('web') }, { originalDst })
  caller.core.config(aConfig({ workloads: [aWorkload()], services: [service] }))
  return caller.port
}

/** The port of an agent in front of another one, in front of `port`. */
async function twoAgents(t: Test, port: number): Promise<number> {
  return (await aMeshedPair(t, port, { protocol: 'http' })).outboundPort
}

for (const [title, agents] of [
  ['through an agent', anOutboundAgent],
  ['through both agents of a call', twoAgents],
] as const) {
  t.test(`every request of the corpus is refused, or forwarded canonically: ${title}`, async t => {
    const backend = await recordingBackend()
    t.teardown(() => backend.server.close())
    const port = await agents(t, backend.port)
    const failures = await runRequestCases(
      async () => {
        const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
        await once(socket, 'connect')
        return socket
      },
      backend,
      (got, wanted) => withoutAdded(got) === wanted,
      one => (noRequests.has(one.name) ? { ...one, expect: 'close' } : one),
    )
    t.strictSame(failures, [])
  })

  t.test(`every response of the corpus is passed on, or answered for: ${title}`, async t => {
    const backend = new ResponseBackend()
    t.teardown(() => backend.server.close())
    const port = await agents(t, await backend.listen())
    const failures: string[] = []
    for (const one of responseCases()) {
      const problem = await judgeResponse(one, backend, port).catch(String)
      if (problem !== undefined) failures.push(`${one.name}: ${problem}`)
    }
    t.strictSame(failures, [])
  })
}
