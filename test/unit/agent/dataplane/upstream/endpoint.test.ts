import t from 'tap'
import { EndpointState, EndpointStates } from '../../../../../agent/dataplane/upstream/endpoint.ts'

t.test('gives the same state for the same address in the same cluster', async t => {
  const states = new EndpointStates()
  const state = states.of('a', '10.0.0.1:80')
  t.equal(states.of('a', '10.0.0.1:80'), state)
  t.not(states.of('b', '10.0.0.1:80'), state)
  t.equal(states.size, 2)
})

t.test('forgets endpoints that no cluster has, once nothing is under way to them', async t => {
  const states = new EndpointStates()
  const member = states.of('a', '10.0.0.1:80')
  member.isMember = true
  const busy = states.of('a', '10.0.0.2:80')
  busy.begin()
  states.of('b', '10.0.0.3:80')
  states.prune()
  t.equal(states.size, 2)
  t.equal(states.of('a', '10.0.0.2:80'), busy)
  busy.end()
  states.prune()
  t.equal(states.size, 1)
  t.equal(states.of('a', '10.0.0.1:80'), member)
})

t.test('a count never falls below nothing', async t => {
  const state = new EndpointState()
  state.begin()
  state.end()
  state.end()
  t.equal(state.active, 0)
})
