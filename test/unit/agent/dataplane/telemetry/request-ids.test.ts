import t from 'tap'
import { RequestIds } from '../../../../../agent/dataplane/telemetry/request-ids.ts'

t.test('ids of requests are random UUIDs of version 4, none of them twice', async t => {
  const ids = new RequestIds()
  const seen = Array.from({ length: 5000 }, () => ids.next())
  t.equal(new Set(seen).size, seen.length)
  t.ok(seen.every(id => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)))
  t.equal(new Set(seen.map(id => id[19])).size, 4, 'each variant digit')
  t.equal(new Set(seen.map(id => id[0])).size, 16, 'each digit')
})
