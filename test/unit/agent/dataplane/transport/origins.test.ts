import { createServer } from 'node:net'
import t from 'tap'
import { BlockPool } from '../../../../../agent/dataplane/h2/blocks.ts'
import { HbonePool } from '../../../../../agent/dataplane/hbone/pool.ts'
import { Http1Shared } from '../../../../../agent/dataplane/http1/shared.ts'
import { buildTable } from '../../../../../agent/dataplane/table.ts'
import type { Dialled } from '../../../../../agent/dataplane/transport/connection-pool.ts'
import { plainOrigin } from '../../../../../agent/dataplane/transport/origins.ts'
import type { UpstreamTlsSettings } from '../../../../../mesh/routing/cluster.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { aConfig, aPlainEndpoint, aService } from '../../../../support/agent-config.ts'
import { clusterSettings } from '../../../../support/cluster.ts'
import { eventually } from '../../../../support/eventually.ts'

t.test('a connection by TLS is for those only who ask the same of its peer', async t => {
  const clock = new FakeClock()
  const blocks = new BlockPool()
  const pool = new HbonePool(clock, { blocks })
  const deps = { clock, blocks, pool, http1: new Http1Shared(), credentialDirectory: '/none' }
  const { table } = buildTable(aConfig({ services: [aService({ external: true, endpoints: [aPlainEndpoint()] })] }))
  const target = table.services.get('240.240.0.1:80')?.endpoints[0]
  if (target === undefined) throw new Error('no endpoint')
  const keyOf = (values: Partial<UpstreamTlsSettings>) => {
    const settings = clusterSettings()
    const tls = { ...settings.tls, mode: 'simple', sni: 'cart.example', ...values } as const
    const call = { target, settings: { ...settings, tls }, caller: table.caller(undefined), port: 'http' } as const
    return plainOrigin({ ...call, protocol: 'HTTP/1.1' }, deps).key
  }
  t.equal(keyOf({}), keyOf({}))
  const others: readonly Partial<UpstreamTlsSettings>[] = [
    { insecureSkipVerify: true },
    { subjectAltNames: ['cart.example'] },
    { sni: 'other.example' },
    { caCertificates: '/ca.pem' },
    { mode: 'mutual', clientCertificate: '/a.pem', privateKey: '/a.key' },
    { mode: 'mutual', clientCertificate: '/a.pem', privateKey: '/b.key' },
  ]
  t.equal(new Set([keyOf({}), ...others.map(keyOf)]).size, others.length + 1)
})

t.test(
  'a connection of HTTP/2 whose peer does not answer the questions that the rule asks for is given up',
  async t => {
    const frames: Buffer[] = []
    const acknowledged = Buffer.from('000000040100000000', 'hex')
    const silent = createServer(socket => {
      socket.on('error', () => {})
      socket.on('data', (chunk: Buffer) => frames.push(chunk))
      // SETTINGS and the acknowledgement of ours, and nothing ever after
      socket.write(Buffer.from('000000040000000000000000040100000000', 'hex'))
    })
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    t.teardown(() => silent.close())
    const address = silent.address()
    if (typeof address !== 'object' || address === null) throw new Error('not bound')
    const clock = new FakeClock()
    const blocks = new BlockPool()
    const deps = {
      clock,
      blocks,
      pool: new HbonePool(clock, { blocks }),
      http1: new Http1Shared(),
      credentialDirectory: '/none',
    }
    const endpoint = aPlainEndpoint({ address: '127.0.0.1', ports: { http: address.port } })
    const { table } = buildTable(aConfig({ services: [aService({ external: true, endpoints: [endpoint] })] }))
    const target = table.services.get('240.240.0.1:80')?.endpoints[0]
    if (target === undefined) throw new Error('no endpoint')
    const settings = clusterSettings({ http2Keepalive: { intervalMs: 10_000, timeoutMs: 3_000 } })
    const call = { target, settings, caller: table.caller(undefined), port: 'http2', protocol: 'HTTP/2' } as const
    const dialled = await new Promise<Dialled>(resolve => plainOrigin(call, deps).dial(resolve))
    if (dialled.kind === 'failed') throw new Error(dialled.detail)
    let closed = ''
    dialled.connection.onClose = reason => {
      closed = reason
    }
    await eventually(() => {
      if (!Buffer.concat(frames).includes(acknowledged)) throw new Error('nothing has been acknowledged')
    })
    // what has come until now was a sign of life
    await clock.advance(10_000)
    await clock.advance(10_000)
    await eventually(() => {
      if (!Buffer.concat(frames).includes(Buffer.from('0000080600', 'hex'))) throw new Error('it has not been asked')
    })
    t.equal(closed, '')
    await clock.advance(3_000)
    t.match(closed, /does not answer/)
    t.not(plainOrigin(call, deps).key, plainOrigin({ ...call, settings: clusterSettings() }, deps).key)
  },
)

t.test('a connection that says for whom it is made does not outlive his requests for long', t => {
  const clock = new FakeClock()
  const blocks = new BlockPool()
  const pool = new HbonePool(clock, { blocks })
  const deps = { clock, blocks, pool, http1: new Http1Shared(), credentialDirectory: '/none' }
  const { table } = buildTable(aConfig({ services: [aService({ external: true, endpoints: [aPlainEndpoint()] })] }))
  const target = table.services.get('240.240.0.1:80')?.endpoints[0]
  if (target === undefined) throw new Error('no endpoint')
  const addresses = { source: { address: '10.0.0.1', port: 5000 }, destination: { address: '10.0.0.2', port: 80 } }
  const originFor = (proxyProtocol: 'v1' | undefined, of: typeof addresses | undefined) => {
    const settings = clusterSettings({ proxyProtocol, httpIdleTimeoutMs: 3_600_000 })
    const call = { target, settings, caller: table.caller(undefined), port: 'http', addresses: of } as const
    return plainOrigin({ ...call, protocol: 'HTTP/1.1' }, deps)
  }
  t.equal(originFor('v1', addresses).idleTimeoutMs, 10_000)
  t.equal(originFor('v1', undefined).idleTimeoutMs, 3_600_000, 'one of the agent’s own is for everybody')
  t.equal(originFor(undefined, addresses).idleTimeoutMs, 3_600_000)
  t.end()
})
