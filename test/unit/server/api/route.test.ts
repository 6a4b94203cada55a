import t from 'tap'
import { anonymous } from '../../../../server/access/caller.ts'
import { writerFor } from '../../../../server/api/access.ts'
import { findRoute, jsonBody, type Route, textField } from '../../../../server/api/route.ts'

const route = (method: Route['method'], path: string): Route => ({ method, path, open: true, handle: () => ({}) })
const routes = [
  route('GET', '/v1/tokens'),
  route('POST', '/v1/tokens'),
  route('DELETE', '/v1/tokens/:id'),
  route('DELETE', '/v1/resources/:kind/:namespace/:name'),
]

t.test('method and path decide, and parameters are decoded', async t => {
  t.equal(findRoute(routes, 'POST', '/v1/tokens')?.route, routes[1])
  t.same(findRoute(routes, 'DELETE', '/v1/tokens/ab%2Fc')?.params, { id: 'ab/c' })
  t.same(findRoute(routes, 'DELETE', '/v1/resources/ServiceEntry/default/x')?.params, {
    kind: 'ServiceEntry',
    namespace: 'default',
    name: 'x',
  })
})

t.test('everything else is no route', async t => {
  for (const [method, path] of [
    ['PUT', '/v1/tokens'],
    ['get', '/v1/tokens'],
    ['GET', '/v1/tokens/'],
    ['GET', '/V1/tokens'],
    ['GET', '//v1/tokens'],
    ['GET', ''],
    ['DELETE', '/v1/tokens/a/b'],
    ['DELETE', '/v1/tokens/%zz'],
    ['DELETE', '/v1/tokens/%ff'],
  ] as const) {
    t.equal(findRoute(routes, method, path), undefined, `${method} ${path}`)
  }
})

t.test('the fields of a body are asked for by name', async t => {
  const by = writerFor(anonymous, { changes: [], nothing: false })
  const text = '{"node":"vm-1","ttl":7,"empty":""}'
  const request = { params: {}, query: new URLSearchParams(), by, body: text, address: '' }
  const body = jsonBody(request)
  t.equal(textField(body, 'node'), 'vm-1')
  for (const field of ['ttl', 'empty', 'absent', '__proto__', 'toString']) {
    t.throws(() => textField(body, field), { code: 'WEFT_USAGE', fields: { field } }, field)
  }
})
