import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { silentLog } from '../../../../mesh/std/log.ts'
import { createFileViewCache } from '../../../../server/catalogue/view-cache.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { plain, service, snapshotOf, workload } from '../../../support/catalogue.ts'

const view = snapshotOf([service('api', ['r/a'])], [workload({ id: 'r/a', node: 'vm-1' })])

function cacheAt(path: string, clock = new FakeClock()) {
  return createFileViewCache(path, { clock, log: silentLog })
}

t.test('what was saved is loaded by the next server, and only its owner can read it', async t => {
  const path = join(t.testdir(), 'views', 'r')
  const cache = cacheAt(path)
  t.equal(await cache.load(), undefined)
  cache.save(view)
  await cache.stop()
  const loaded = await cacheAt(path).load()
  t.same(loaded && plain(loaded), plain(view))
  t.equal(statSync(path).mode & 0o777, 0o600)
})

t.test('of many saves in a row the last is written, after a while', async t => {
  const folder = t.testdir()
  const clock = new FakeClock()
  const cache = cacheAt(join(folder, 'r'), clock)
  t.teardown(() => cache.stop())
  for (let count = 0; count < 100; count += 1) cache.save(snapshotOf([service(`s${count}`)], []))
  t.same(readdirSync(folder), [])
  await clock.advance(5000)
  await cache.stop()
  t.same([...((await cache.load())?.services.keys() ?? [])], ['default/s99'])
})

t.test('a file that was cut short or altered is as good as none', async t => {
  const path = join(t.testdir(), 'r')
  const cache = cacheAt(path)
  cache.save(view)
  await cache.stop()
  const whole = readFileSync(path, 'utf8')
  for (const broken of ['', '\n', whole.slice(0, -1), whole.replace('vm-1', 'vm-2'), `${whole}x`]) {
    writeFileSync(path, broken)
    t.equal(await cacheAt(path).load(), undefined)
  }
})

t.test('a directory that cannot be written costs nothing but the cache', async t => {
  const cache = cacheAt(join(t.testdir({ file: '' }), 'file', 'r'))
  cache.save(view)
  await cache.stop()
  t.equal(await cache.load(), undefined)
})
