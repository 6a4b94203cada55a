import t from 'tap'
import { isMeshField, takeMeshFields } from '../../../../../agent/dataplane/hbone/request-fields.ts'

const pseudo = [':method', 'GET', ':path', '/']

t.test('takes off what the mesh added, and nothing else', async t => {
  const headers = [...pseudo, 'x-weft-destination', '10.0.0.1:80', 'x-weft-source', 'a=b', 'accept', '*/*', 'x', 'y']
  t.strictSame(takeMeshFields(headers), { destination: '10.0.0.1:80', source: 'a=b' })
  t.strictSame(headers, [...pseudo, 'accept', '*/*', 'x', 'y'])
})

t.test('the source may be missing', async t => {
  const headers = [...pseudo, 'x-weft-destination', '10.0.0.1:80', 'accept', '*/*']
  t.strictSame(takeMeshFields(headers), { destination: '10.0.0.1:80', source: undefined })
  t.strictSame(headers, [...pseudo, 'accept', '*/*'])
})

t.test('fields further back are not believed', async t => {
  for (const fields of [
    ['accept', '*/*', 'x-weft-destination', '10.0.0.1:80'],
    ['x-weft-source', 'a=b', 'x-weft-destination', '10.0.0.1:80'],
    ['X-Weft-Destination', '10.0.0.1:80'],
    [],
  ]) {
    const headers = [...pseudo, ...fields]
    t.strictSame(takeMeshFields(headers), { destination: undefined, source: undefined })
    t.strictSame(headers, [...pseudo, ...fields])
  }
})

t.test('knows its fields in any case', async t => {
  for (const name of ['x-weft-destination', 'X-Weft-Destination', 'x-weft-source', 'X-WEFT-SOURCE']) {
    t.equal(isMeshField(name), true)
  }
  for (const name of ['x-weft-protocol', 'x-weft-sourcf', 'accept', '']) t.equal(isMeshField(name), false)
})
