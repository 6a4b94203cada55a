import t from 'tap'
import { identitySni } from '../../../../mesh/identity/sni.ts'
import { agentSpiffeId, serverSpiffeId, workloadSpiffeId } from '../../../../mesh/identity/spiffe-id.ts'

t.test('names a workload below its namespace and trust domain', t => {
  t.equal(identitySni('spiffe://td.example/ns/default/sa/web'), 'web.default.ns.td.example')
  t.equal(identitySni('spiffe://td/ns/prod/sa/a.b_c'), 'a.b_c.prod.ns.td')
  t.equal(identitySni('spiffe://td/ns/ns/sa/ns'), 'ns.ns.ns.td')
  t.end()
})

t.test('has no name for agents, servers and what is no id', t => {
  const ids = [agentSpiffeId('td', 'vm'), serverSpiffeId('td', 's'), 'spiffe://td/ns/a/sa/B', 'web.default', '']
  for (const id of ids) t.throws(() => identitySni(id), { code: 'WEFT_SPIFFE_ID' }, id)
  t.end()
})

t.test('refuses the ids whose names could be read in two ways', t => {
  const one = workloadSpiffeId('td', 'm', 's.n.ns')
  const other = workloadSpiffeId('m.ns.td', 'n', 's')
  t.throws(() => identitySni(one), { code: 'WEFT_SPIFFE_ID' })
  t.equal(identitySni(other), 's.n.ns.m.ns.td')
  t.throws(() => identitySni(workloadSpiffeId('td', 'ns', 'a.b')), { code: 'WEFT_SPIFFE_ID' })
  t.end()
})

t.test('refuses an id that is too long for a server name', t => {
  const fits = workloadSpiffeId('td', 'n', 'a'.repeat(247))
  t.equal(identitySni(fits).length, 255)
  t.throws(() => identitySni(workloadSpiffeId('td', 'n', 'a'.repeat(248))), { code: 'WEFT_SPIFFE_ID' })
  t.end()
})
