import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { silentLog } from '../../../../mesh/std/log.ts'
import { addressesOf, capacity, createVirtualIps } from '../../../../server/catalogue/virtual-ips.ts'
import { openSqliteStore } from '../../../../server/store/sqlite.ts'

const ranges = { ipv4: '240.240.0.0/16', ipv6: 'fd77:6566:7400::/64' }

t.test('every service gets one address of each family, counted alike', async t => {
  const store = openSqliteStore(':memory:', { log: silentLog })
  t.teardown(() => store.close())
  const { addresses } = await createVirtualIps(store.virtualIps, ranges).assign(['default/web', 'default/api'])
  t.same(addresses.get('default/api'), ['240.240.0.1', 'fd77:6566:7400::1'])
  t.same(addresses.get('default/web'), ['240.240.0.2', 'fd77:6566:7400::2'])
})

t.test('addresses survive a restart and any order of arrival, and are never given to another', async t => {
  const file = join(t.testdir(), 'store.db')
  const first = openSqliteStore(file, { log: silentLog })
  const before = await createVirtualIps(first.virtualIps, ranges).assign(['n/a', 'n/b', 'n/c'])
  await first.close()

  const second = openSqliteStore(file, { log: silentLog })
  t.teardown(() => second.close())
  const again = createVirtualIps(second.virtualIps, ranges)
  const other = await again.assign(['n/new', 'n/c'])
  t.same(other.addresses.get('n/c'), before.addresses.get('n/c'))
  const taken = ['n/a', 'n/b', 'n/c'].map(key => before.addresses.get(key)?.[0])
  t.notOk(taken.includes(other.addresses.get('n/new')?.[0]), 'not even that of a service that is gone')
  const all = await again.assign(['n/b', 'n/a'])
  t.same(all.addresses.get('n/a'), before.addresses.get('n/a'))
})

t.test('no address ends in 0 or 255 and no two offsets meet', async t => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: capacity(ranges) }), offset => {
      const last = Number(addressesOf(offset, ranges)[0]?.split('.')[3])
      return last >= 1 && last <= 254
    }),
  )
  const seen = new Set(Array.from({ length: 1000 }, (_, index) => addressesOf(index + 1, ranges).join()))
  t.equal(seen.size, 1000)
  t.same(addressesOf(255, ranges), ['240.240.1.1', 'fd77:6566:7400::101'])
  t.same(addressesOf(capacity(ranges), ranges), ['240.240.255.254', 'fd77:6566:7400::fffe'])
})

t.test('with the store failing, known services keep their addresses and new ones wait', async t => {
  const store = openSqliteStore(':memory:', { log: silentLog })
  const ips = createVirtualIps(store.virtualIps, ranges)
  const before = (await ips.assign(['n/a'])).addresses.get('n/a')
  await store.close()
  const { addresses, failure } = await ips.assign(['n/a', 'n/b'])
  t.ok(failure)
  t.same(addresses.get('n/a'), before)
  t.equal(addresses.get('n/b'), undefined)
})

t.test('an exhausted range is a failure that gives nobody another one’s address', async t => {
  const store = openSqliteStore(':memory:', { log: silentLog })
  t.teardown(() => store.close())
  const small = { ipv4: '240.240.0.0/24', ipv6: 'fd77:6566:7400::/64' }
  t.equal(capacity(small), 254)
  const ips = createVirtualIps(store.virtualIps, small)
  const keys = Array.from({ length: 254 }, (_, index) => `n/${index}`)
  t.equal((await ips.assign(keys)).addresses.size, 254)
  const { addresses, failure } = await ips.assign(['n/more'])
  t.match(failure, { code: 'WEFT_STORE' })
  t.equal(addresses.get('n/more'), undefined)
})
