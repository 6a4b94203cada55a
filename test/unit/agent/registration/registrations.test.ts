import t from 'tap'
import type { KeptRegistrations } from '../../../../agent/registration/declared.ts'
import { createRegistrations } from '../../../../agent/registration/registrations.ts'
import { MeshError } from '../../../../mesh/std/errors.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { maxRegistrations } from '../../../../mesh/wire/messages.ts'

const empty: KeptRegistrations = { declared: [], maintenance: new Map() }
const automatic = { group: 'default/payments', name: 'vm-1', address: '', ports: {} }

function world(options: { kept?: KeptRegistrations; automatic?: typeof automatic; disk?: () => void } = {}) {
  const saved: KeptRegistrations[] = []
  const { kept = empty } = options
  const registrations = createRegistrations(
    {
      log: silentLog,
      async save(next) {
        options.disk?.()
        saved.push(next)
      },
    },
    { kept, defaultName: 'vm-1', ...(options.automatic !== undefined && { automatic: options.automatic }) },
  )
  const names = () => registrations.reported.value.map(({ name }) => name)
  return { registrations, saved, names }
}

t.test('a registration is on disk before it is reported', async t => {
  const { registrations, saved, names } = world()
  registrations.locate('10.0.0.1')
  const made = registrations.register({ group: 'default/payments', ports: { http: 80 } })
  t.same(names(), [])
  t.equal(await made, 'vm-1')
  t.equal(saved.length, 1)
  t.same(registrations.reported.value, [
    { group: 'default/payments', name: 'vm-1', address: '10.0.0.1', ports: { http: 80 }, maintenance: '' },
  ])
})

t.test('changes nothing when the disk cannot be written', async t => {
  let full = false
  const { registrations, names } = world({
    disk() {
      if (full) throw new MeshError('WEFT_STATE_UNWRITABLE', 'full')
    },
  })
  registrations.locate('10.0.0.1')
  await registrations.register({ group: 'a/b' })
  full = true
  await t.rejects(registrations.register({ group: 'a/b', name: 'x' }), { code: 'WEFT_STATE_UNWRITABLE' })
  await t.rejects(registrations.deregister('vm-1'), { code: 'WEFT_STATE_UNWRITABLE' })
  await t.rejects(registrations.maintain('vm-1', 'why'), { code: 'WEFT_STATE_UNWRITABLE' })
  t.match(registrations.reported.value, [{ name: 'vm-1', maintenance: '' }])
  full = false
  await registrations.deregister('vm-1')
  t.same(names(), [])
})

t.test('changes that come at once are made one after the other', async t => {
  const { registrations, names, saved } = world()
  registrations.locate('10.0.0.1')
  await Promise.all([
    registrations.register({ group: 'a/b', name: 'x' }),
    registrations.register({ group: 'a/b', name: 'y' }),
    registrations.deregister('x'),
  ])
  t.same(names(), ['y'])
  t.same(
    saved.map(({ declared }) => declared.length),
    [1, 2, 1],
  )
})

t.test('what has no address of its own is reported once the host knows one, and follows it', async t => {
  const { registrations } = world({ automatic })
  await registrations.register({ group: 'a/b', name: 'fixed', address: '10.0.0.9' })
  t.match(registrations.reported.value, [{ name: 'fixed' }])
  t.match(registrations.list(), [{ name: 'fixed' }, { name: 'vm-1', address: undefined, from: 'settings' }])
  registrations.locate('10.0.0.1')
  registrations.locate('10.0.0.2')
  t.match(registrations.reported.value, [
    { name: 'fixed', address: '10.0.0.9' },
    { name: 'vm-1', address: '10.0.0.2' },
  ])
})

t.test('says nothing again when nothing has changed', async t => {
  const { registrations } = world({ automatic })
  registrations.locate('10.0.0.1')
  let changes = 0
  registrations.reported.subscribe(() => {
    changes += 1
  })
  registrations.locate('10.0.0.1')
  await registrations.maintain('vm-1', '')
  t.equal(changes, 0)
})

t.test('what the settings register can be maintained, but neither replaced nor deregistered by command', async t => {
  const { registrations, saved } = world({ automatic })
  registrations.locate('10.0.0.1')
  await t.rejects(registrations.register({ group: 'a/b' }), { code: 'WEFT_REGISTRATION_INVALID' })
  await t.rejects(registrations.deregister('vm-1'), { code: 'WEFT_REGISTRATION_INVALID', next: /register.group/ })
  await registrations.maintain('vm-1', ' disk\n swap ')
  t.match(registrations.reported.value, [{ name: 'vm-1', maintenance: 'disk  swap' }])
  t.same(saved.at(-1), { declared: [], maintenance: new Map([['vm-1', 'disk  swap']]) })
})

t.test('settings win over a kept registration of the same name, maintenance stays', async t => {
  const kept = {
    declared: [{ group: 'a/old', name: 'vm-1', address: '10.0.0.5', ports: {} }],
    maintenance: new Map([['vm-1', 'why']]),
  }
  const { registrations } = world({ kept, automatic })
  registrations.locate('10.0.0.1')
  t.match(registrations.reported.value, [
    { group: 'default/payments', name: 'vm-1', address: '10.0.0.1', maintenance: 'why' },
  ])
  t.equal(registrations.reported.value.length, 1)
})

t.test('a deregistered name is not in maintenance when it comes back', async t => {
  const { registrations } = world()
  registrations.locate('10.0.0.1')
  await registrations.register({ group: 'a/b' })
  await registrations.maintain('vm-1', 'why')
  await registrations.deregister('vm-1')
  await registrations.register({ group: 'a/b' })
  t.match(registrations.reported.value, [{ maintenance: '' }])
})

t.test('names nobody has are refused', async t => {
  const { registrations } = world()
  await t.rejects(registrations.deregister('x'), { code: 'WEFT_NOT_FOUND', next: /--list/ })
  await t.rejects(registrations.maintain('x', 'why'), { code: 'WEFT_NOT_FOUND' })
})

t.test('takes no more than one report holds', async t => {
  const declared = Array.from({ length: maxRegistrations }, (_, at) => {
    return { group: 'a/b', name: `w-${at}`, address: '10.0.0.1', ports: {} }
  })
  const { registrations } = world({ kept: { declared, maintenance: new Map() } })
  await t.rejects(registrations.register({ group: 'a/b', name: 'more' }), { code: 'WEFT_REGISTRATION_INVALID' })
  t.equal(await registrations.register({ group: 'a/c', name: 'w-1' }), 'w-1', 'a name that is there is replaced')
})

t.test('a host that leaves reports nothing any more and forgets nothing', async t => {
  const { registrations, saved } = world({ automatic })
  registrations.locate('10.0.0.1')
  await registrations.register({ group: 'a/b', name: 'x' })
  registrations.leave()
  t.same(registrations.reported.value, [])
  registrations.locate('10.0.0.2')
  t.same(registrations.reported.value, [])
  t.match(saved.at(-1), { declared: [{ name: 'x' }] })
})
