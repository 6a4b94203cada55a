import t from 'tap'
import { BlockPool } from '../../../../../agent/dataplane/h2/blocks.ts'
import { HbonePool } from '../../../../../agent/dataplane/hbone/pool.ts'
import { Http1Shared } from '../../../../../agent/dataplane/http1/shared.ts'
import { buildTable } from '../../../../../agent/dataplane/table.ts'
import { plainOrigin } from '../../../../../agent/dataplane/transport/origins.ts'
import type { UpstreamTlsSettings } from '../../../../../mesh/routing/cluster.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { aConfig, aPlainEndpoint, aService } from '../../../../support/agent-config.ts'
import { clusterSettings } from '../../../../support/cluster.ts'

t.test('a connection by TLS is for those only who ask the same of its peer', async t => {
  const clock = new FakeClock()
  const blocks = new BlockPool()
  const pool = new HbonePool(clock, blocks)
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
