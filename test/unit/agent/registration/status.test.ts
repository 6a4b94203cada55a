import t from 'tap'
import type { StandingRegistration } from '../../../../agent/registration/registrations.ts'
import { registrationStatus } from '../../../../agent/registration/status.ts'

const one: StandingRegistration = {
  group: 'default/payments',
  name: 'vm-1',
  address: '10.0.0.1',
  ports: {},
  maintenance: '',
  from: 'command',
}
const stateOf = (standing: StandingRegistration, connected: boolean, ...ids: string[]) =>
  registrationStatus([standing], { connected, workloads: ids.map(id => ({ id })) })[0]

t.test('is published when the server has given this host the workload', async t => {
  t.same(stateOf(one, true, 'hosts/default/vm-1'), { ...one, state: 'published' })
})

t.test('claims no more than this host knows', async t => {
  t.match(stateOf(one, true), { state: 'unconfirmed', detail: /weft status/ })
  t.match(stateOf(one, true, 'resources/default/vm-1', 'hosts/other/vm-1'), { state: 'unconfirmed' })
  t.match(stateOf(one, false, 'hosts/default/vm-1'), { state: 'unreported' })
  const { address: _, ...homeless } = one
  t.match(stateOf(homeless, true), { state: 'no-address', detail: /--address/ })
})
