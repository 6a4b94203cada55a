import t from 'tap'
import { createRegistrationSaver } from '../../../../server/registrations/saver.ts'
import type { RegistrationRecord } from '../../../../server/store/store.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { recordedLog } from '../../../support/recorded-log.ts'

const record: RegistrationRecord = {
  node: 'vm-1',
  name: 'pay',
  group: 'default/pay',
  address: '10.0.0.1',
  ports: {},
  maintenance: '',
  since: 1,
}

function world() {
  const clock = new FakeClock()
  const log = recordedLog()
  const written: string[] = []
  const state = { full: false }
  const store = {
    async replace(node: string, list: readonly RegistrationRecord[]) {
      await Promise.resolve()
      if (state.full) throw new Error('disk is full')
      written.push(`${node}: ${list.map(({ name }) => name).join(' ')}`)
    },
  }
  return { clock, log, written, state, saver: createRegistrationSaver({ clock, log, store }) }
}

t.test('of several changes of a node in a row the last one is written', async t => {
  const { saver, written, clock } = world()
  saver.save('vm-1', [record])
  saver.save('vm-1', [])
  saver.save('vm-1', [{ ...record, name: 'last' }])
  saver.save('vm-2', [record])
  await clock.advance(0)
  t.equal(written.at(-1), 'vm-2: pay')
  t.equal(written.filter(line => line.startsWith('vm-1')).at(-1), 'vm-1: last')
  await saver.stop()
})

t.test('a store that fails is tried again until it works, and complained about once', async t => {
  const { saver, written, clock, state, log } = world()
  state.full = true
  saver.save('vm-1', [record])
  await clock.advance(12_000)
  t.same(written, [])
  t.equal(log.lines.filter(({ level }) => level === 'error').length, 1)
  state.full = false
  await clock.advance(5_000)
  t.same(written, ['vm-1: pay'])
  await saver.stop()
})

t.test('writes what is left when it ends, and ends even when that fails', async t => {
  const { saver, written, clock, state } = world()
  state.full = true
  saver.save('vm-1', [record])
  await clock.advance(0)
  state.full = false
  await saver.stop()
  t.same(written, ['vm-1: pay'])
  const broken = world()
  broken.state.full = true
  broken.saver.save('vm-1', [record])
  await broken.saver.stop()
  t.same(broken.written, [])
  t.equal(broken.clock.pending, 0)
})
