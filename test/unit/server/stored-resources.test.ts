import t from 'tap'
import type { StoredResource } from '../../../server/store/store.ts'
import { createStoredReader } from '../../../server/stored-resources.ts'
import { recordedLog } from '../../support/recorded-log.ts'

function stored(name: string, mode: string, createdAt = 0): StoredResource {
  const kind = 'PeerAuthentication'
  const metadata = { name, namespace: 'shop' }
  const document = { apiVersion: 'security.istio.io/v1', kind, metadata, spec: { mtls: { mode } } }
  return {
    kind,
    namespace: 'shop',
    name,
    document: JSON.stringify(document),
    version: 1,
    createdAt,
    writtenBy: '',
  }
}

t.test('what is stored as before is the same object, what changed is read anew', async t => {
  const read = createStoredReader(recordedLog())
  const [a, b] = read([stored('a', 'STRICT'), stored('b', 'STRICT')])
  const [again, other, ...rest] = read([stored('a', 'STRICT'), stored('b', 'DISABLE')])
  t.equal(again, a)
  t.not(other, b)
  t.match(other, { spec: { mtls: { mode: 'DISABLE' } } })
  t.same(rest, [])
  t.match(read([stored('a', 'STRICT', 1000)]), [{ metadata: { creationTimestamp: '1970-01-01T00:00:01.000Z' } }])
})

t.test('what cannot be read is left out, and said once', async t => {
  const log = recordedLog()
  const read = createStoredReader(log)
  for (let time = 0; time < 3; time += 1) t.equal(read([stored('a', 'STRICT'), stored('b', 'LOOSE')]).length, 1)
  t.match(log.lines, [{ level: 'error', message: 'a stored resource is not usable', fields: { file: /shop\/b$/ } }])
  t.equal(log.lines.length, 1)
})
