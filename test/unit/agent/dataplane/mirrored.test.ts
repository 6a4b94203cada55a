import { createServer, request as httpRequest } from 'node:http'
import t from 'tap'
import { aConfig, aPlainEndpoint, aService, aWorkload } from '../../../support/agent-config.ts'
import { aThread, identityOf } from '../../../support/data-threads.ts'
import { until } from '../../../support/eventually.ts'
import { routingWorld } from '../../../support/routing-world.ts'

interface Seen {
  readonly body: string
  readonly from: string | undefined
}

/** An application of the test's own on loopback, and the requests that it has had whole. */
async function anApplication(t: { teardown(stop: () => unknown): void }) {
  const seen: Seen[] = []
  const server = createServer((incoming, outgoing) => {
    let body = ''
    incoming.on('data', chunk => {
      body += chunk
    })
    incoming.on('end', () => {
      seen.push({ body, from: incoming.headers['x-forwarded-for']?.toString() })
      outgoing.end('ok')
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not bound')
  return { port: address.port, seen }
}

t.test('a copy is whole although a fault holds its request up, and says whose host copied it', async t => {
  const [real, shadow] = [await anApplication(t), await anApplication(t)]
  const serviceAt = (name: string, port: number) =>
    aService({
      name,
      hosts: [`${name}.default.mesh`],
      virtualIps: [name === 'api' ? '240.240.0.1' : '240.240.0.2'],
      endpoints: [aPlainEndpoint({ id: name, address: '127.0.0.1', ports: { http: port } })],
    })
  const rule = `VirtualService default/api { hosts: [api.default.mesh], http: [{
    fault: { delay: { fixedDelay: 50ms, percentage: { value: 100 } } },
    route: [{ destination: { host: api.default.mesh } }], mirror: { host: shadow.default.mesh } }] }`
  const web = { kind: 'outbound', identity: identityOf('web') } as const
  const caller = await aThread(t, web, { originalDst: { address: '240.240.0.1', port: 80 } })
  const services = [serviceAt('api', real.port), serviceAt('shadow', shadow.port)]
  caller.core.config(aConfig({ workloads: [aWorkload()], services, traffic: routingWorld([], [rule]).traffic }))
  const status = await new Promise((resolve, reject) => {
    const headers = { host: 'api.default.mesh' }
    const call = httpRequest(
      { port: caller.port, host: '127.0.0.1', method: 'POST', agent: false, headers },
      answer => {
        answer.resume()
        resolve(answer.statusCode)
      },
    )
    call.on('error', reject)
    call.end('hello')
  })
  t.equal(status, 200)
  await until('the copy is there', () => shadow.seen.length > 0)
  t.strictSame([real.seen, shadow.seen], [[{ body: 'hello', from: undefined }], [{ body: 'hello', from: '127.0.0.1' }]])
})
