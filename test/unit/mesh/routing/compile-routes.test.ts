import t from 'tap'
import { defaultRoute } from '../../../../mesh/routing/compile-routes.ts'
import { findRoute } from '../../../../mesh/routing/matching.ts'
import { compileContext, requestOf, routeOf, routesOf } from '../../../support/compiled-routes.ts'

t.test('a rule comes to one route a match, each named after both', async t => {
  const http = [
    { name: 'canary', match: [{ name: 'beta', uri: { prefix: '/b' } }, { uri: { prefix: '/c' } }] },
    { match: [{ name: 'only' }] },
    { name: '' },
  ]
  const routes = routesOf(http)
  t.same(
    routes.map(({ name }) => name),
    ['canary.beta', 'canary', 'default.only', 'default'],
  )
  t.same(
    routes.map(({ rule }) => rule),
    [0, 0, 1, 2].map(index => `VirtualService shop/cart http[${index}]`),
  )
})

t.test('matches that this client can never meet are left out, and rules with none left', async t => {
  const left = (match: object, context = {}) => routesOf([{ match: [match] }], context).length
  t.equal(left({ port: 80 }), 1)
  t.equal(left({ port: 8080 }), 0)
  t.equal(left({ sourceLabels: { app: 'web' } }), 1)
  t.equal(left({ sourceLabels: { app: 'web', tier: 'x' } }), 0)
  t.equal(left({ sourceNamespace: 'shop' }), 1)
  t.equal(left({ sourceNamespace: 'ops' }), 0)
  t.equal(left({ gateways: ['mesh', 'edge'] }), 1)
  t.equal(left({ gateways: ['edge'] }), 0)
  t.equal(left({ gateways: ['mesh'], sourceNamespace: 'ops' }), 0)
})

t.test('the order of rules stays', async t => {
  const routes = routesOf([{ name: 'a', match: [{ uri: { prefix: '/a' } }] }, { name: 'all' }, { name: 'never' }])
  t.equal(findRoute({ name: 'cart:80', routes }, requestOf({ path: '/a' }))?.name, 'a')
  t.equal(findRoute({ name: 'cart:80', routes }, requestOf({ path: '/b' }))?.name, 'all')
})

t.test('a direct response has the octets of its text, or those it names', async t => {
  const body = (spec: object) => {
    const { action } = routeOf({ directResponse: { status: 200, body: spec } })
    return action.kind === 'direct' ? action.body.toString() : undefined
  }
  t.equal(body({ string: 'é' }), 'é')
  t.equal(body({ bytes: 'aGVsbG8=' }), 'hello')
  t.equal(body({}), '')
})

t.test('retries are the rule’s, else the mesh’s', async t => {
  const attempts = (retries: object | undefined, defaultRetries: object | undefined) => {
    const { action } = routeOf({ retries }, { defaultRetries })
    return action.kind === 'forward' ? action.retry?.attempts : undefined
  }
  t.equal(attempts(undefined, undefined), 2)
  t.equal(attempts(undefined, { attempts: 5 }), 5)
  t.equal(attempts({ attempts: 3 }, { attempts: 5 }), 3)
  t.equal(attempts({ attempts: 0 }, { attempts: 5 }), undefined)
})

t.test('a host without rules is forwarded as it is, and tried again', async t => {
  const context = compileContext()
  const destination = context.destination({ host: 'pay' }, 'shop', 0)
  const route = defaultRoute(destination, context)
  t.equal(route.name, 'default')
  t.same(route.match, [])
  t.match(route.action, { kind: 'forward', destinations: [destination], timeoutMs: undefined, retry: { attempts: 2 } })
  t.equal(route.request, undefined)
})
