import t from 'tap'
import { systemClock } from '../../mesh/std/clock.ts'
import { createConsulAttestor } from '../../server/identity/attest/consul.ts'
import { createConsulLookUp } from '../../server/identity/attest/consul-look-up.ts'
import { startConsul } from '../support/consul.ts'

const master = 'b1e5eec4-0000-4000-8000-000000000001'
const acl = { enabled: true, default_policy: 'deny', tokens: { master, agent: master } }
const refused = { code: 'WEFT_EVIDENCE_REFUSED' }

t.test('a real consul says which node a token is of', async t => {
  const consul = await startConsul({ config: { acl, primary_datacenter: 'dc1' }, token: master })
  t.teardown(() => consul.stop())
  const make = async (body: object) => (await consul.api('PUT', '/acl/token', body)) as Made
  const files = { caFile: '', certFile: '', keyFile: '' }
  const attestor = createConsulAttestor(
    createConsulLookUp({ address: consul.address, ...files }, { clock: systemClock }),
  )
  const attest = (payload: string) => {
    const context = { node: 'vm-1', keyHash: 'k', now: Date.now(), signal: new AbortController().signal }
    return attestor.attest({ kind: 'consul', payload }, context)
  }
  const NodeIdentities = [{ NodeName: 'vm-1', Datacenter: 'dc1' }]
  const good = await make({ NodeIdentities })
  t.match(await attest(good.SecretID), {
    kind: 'consul',
    grade: 2,
    node: 'vm-1',
    instance: good.AccessorID,
    claims: { datacenter: 'dc1', accessor: good.AccessorID },
  })
  const { SecretID: ofService } = await make({ ServiceIdentities: [{ ServiceName: 'payments' }] })
  await t.rejects(attest(ofService), { ...refused, message: 'token is not of exactly one node' })
  const both = [...NodeIdentities, { NodeName: 'vm-2', Datacenter: 'dc1' }]
  await t.rejects(attest((await make({ NodeIdentities: both })).SecretID), /exactly one node/)
  const managing = await make({ NodeIdentities, Policies: [{ Name: 'global-management' }] })
  await t.rejects(attest(managing.SecretID), { ...refused, message: 'token can manage consul' })
  await t.rejects(attest(master), refused)
  await t.rejects(attest('00000000-0000-0000-0000-000000000002'), refused, 'not known by its public id')
  await t.rejects(attest('11111111-2222-3333-4444-555555555555'), {
    ...refused,
    message: 'consul does not know the token',
  })
  await consul.api('DELETE', `/acl/token/${good.AccessorID}`)
  await t.rejects(attest(good.SecretID), { ...refused, message: 'consul does not know the token' })
})

t.test('a consul that does not answer refuses nobody', async t => {
  const files = { caFile: '', certFile: '', keyFile: '' }
  const lookUp = createConsulLookUp({ address: 'http://127.0.0.1:9', ...files }, { clock: systemClock })
  await t.rejects(lookUp.self(master, new AbortController().signal), { code: 'WEFT_REGISTRY_UNAVAILABLE' })
  const reason = new Error('nobody waits')
  await t.rejects(lookUp.self(master, AbortSignal.abort(reason)), reason)
})

interface Made {
  readonly AccessorID: string
  readonly SecretID: string
}
