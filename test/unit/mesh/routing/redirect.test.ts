import t from 'tap'
import { redirectOf } from '../../../../mesh/routing/redirect.ts'
import { requestOf, routeOf } from '../../../support/compiled-routes.ts'

function location(redirect: object, request: Parameters<typeof requestOf>[0] = {}, port = 80): string {
  return redirectOf(routeOf({ redirect }, { port }), requestOf({ path: '/r?q=1', ...request })).location
}

t.test('what a redirect does not say is the request’s', async t => {
  t.equal(location({ uri: '/to' }), 'http://cart/to?q=1')
  t.equal(location({ authority: 'else.test' }), 'http://else.test/r?q=1')
  t.equal(location({ uri: '/to', authority: 'else.test:99', scheme: 'https' }), 'https://else.test:99/to?q=1')
  t.equal(location({ uri: '/to' }, { scheme: 'https' }), 'https://cart/to?q=1')
  t.equal(location({ uri: '/to?own' }), 'http://cart/to?own', 'a query of its own counts')
  t.equal(location({ uri: 'to' }), 'http://cart/to?q=1')
})

t.test('a prefix takes the place of what the match found of the path', async t => {
  const rewritten = (prefixRewrite: string, match: object | undefined, path: string) => {
    const spec = { redirect: { prefixRewrite }, ...(match && { match: [match] }) }
    return redirectOf(routeOf(spec), requestOf({ path })).location
  }
  t.equal(rewritten('/new', { uri: { prefix: '/old' } }, '/old/a?q=1'), 'http://cart/new/a?q=1')
  t.equal(rewritten('/new', { uri: { prefix: '/old' } }, '/older'), 'http://cart/newer')
  t.equal(rewritten('new', { uri: { prefix: '/old' } }, '/old'), 'http://cart/new')
  t.equal(rewritten('/new', { uri: { pathPrefix: '/old' } }, '/old?q=1'), 'http://cart/new?q=1')
  t.equal(rewritten('/new/', undefined, '/a/b'), 'http://cart/new/a/b')
  t.equal(rewritten('/new/', { method: { exact: 'GET' } }, '/?q=1'), 'http://cart/new/?q=1')
})

t.test('a port is written where it is no default, and replaces the request’s', async t => {
  t.equal(location({ port: 8443 }, { authority: 'cart:80' }), 'http://cart:8443/r?q=1')
  t.equal(location({ port: 8443 }, { authority: '[::1]:80' }), 'http://[::1]:8443/r?q=1')
  t.equal(location({ port: 8443 }, { authority: '[::1]' }), 'http://[::1]:8443/r?q=1')
  t.equal(location({ port: 443, scheme: 'https' }), 'https://cart/r?q=1')
  t.equal(location({ port: 80, scheme: 'https' }), 'https://cart:80/r?q=1')
  t.equal(location({ derivePort: 'FROM_REQUEST_PORT' }, {}, 8080), 'http://cart:8080/r?q=1')
  t.equal(location({ derivePort: 'FROM_PROTOCOL_DEFAULT' }, { authority: 'cart:81' }), 'http://cart:81/r?q=1')
})

t.test('the default port of a scheme that is left behind goes', async t => {
  t.equal(location({ scheme: 'https' }, { authority: 'cart:80' }), 'https://cart/r?q=1')
  t.equal(location({ scheme: 'https' }, { authority: 'cart:81' }), 'https://cart:81/r?q=1')
  t.equal(location({ scheme: 'http' }, { authority: 'cart:443', scheme: 'https' }), 'http://cart/r?q=1')
  t.equal(location({ uri: '/to' }, { authority: 'cart:80' }), 'http://cart:80/to?q=1')
})

t.test('the status is 301 unless another is asked for', async t => {
  const status = (redirectCode?: number) => redirectOf(routeOf({ redirect: { redirectCode } }), requestOf()).status
  t.equal(status(), 301)
  t.equal(status(308), 308)
})
