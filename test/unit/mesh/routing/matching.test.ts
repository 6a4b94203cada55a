import fc from 'fast-check'
import t from 'tap'
import type { HttpMatchSpec } from '../../../../mesh/model/traffic.ts'
import { findRoute, matchesRoute } from '../../../../mesh/routing/matching.ts'
import { hostOf, requestOf, routeOf } from '../../../support/compiled-routes.ts'

function matches(match: HttpMatchSpec, request: Parameters<typeof requestOf>[0]): boolean {
  return matchesRoute(routeOf({ match: [match] }), requestOf(request))
}

t.test('a path is compared without its query', async t => {
  const paths = (match: HttpMatchSpec, ...wanted: string[]) => wanted.filter(path => matches(match, { path }))
  const all = ['/foo', '/foo/', '/foo/x', '/foobar', '/FOO', '/foo?a=/x', '/', '/x/foo']
  t.same(paths({ uri: { exact: '/foo' } }, ...all), ['/foo', '/foo?a=/x'])
  t.same(paths({ uri: { prefix: '/foo' } }, ...all), ['/foo', '/foo/', '/foo/x', '/foobar', '/foo?a=/x'])
  t.same(paths({ uri: { pathPrefix: '/foo' } }, ...all), ['/foo', '/foo/', '/foo/x', '/foo?a=/x'])
  t.same(paths({ uri: { pathPrefix: '/foo/' } }, ...all), ['/foo/', '/foo/x'])
  t.same(paths({ uri: { pathPrefix: '/' } }, ...all), all)
  t.same(paths({ uri: { regex: '/fo+' } }, ...all), ['/foo', '/foo?a=/x'])
  t.same(paths({ uri: { prefix: '/Foo' }, ignoreUriCase: true }, '/fOO/x', '/fo'), ['/fOO/x'])
  t.same(paths({ uri: { exact: '/Foo' }, ignoreUriCase: true }, '/fOO', '/foo/'), ['/fOO'])
  t.same(paths({ uri: { regex: '/Foo' }, ignoreUriCase: true }, '/foo', '/Foo'), ['/Foo'])
  t.same(paths({ uri: { prefix: '' } }, '/', '/a'), ['/', '/a'])
  t.same(paths({ uri: { exact: '' } }, '/', '/a'), [])
  t.same(paths({ uri: { prefix: '/a?b' } }, '/a?b', '/a'), [])
})

t.test('method, scheme and authority are compared as they are', async t => {
  t.ok(matches({ method: { exact: 'POST' } }, { method: 'POST' }))
  t.notOk(matches({ method: { exact: 'post' } }, { method: 'POST' }))
  t.ok(matches({ method: { prefix: 'P' } }, { method: 'PUT' }))
  t.ok(matches({ scheme: { exact: 'https' } }, { scheme: 'https' }))
  t.ok(matches({ authority: { regex: 'cart(:\\d+)?' } }, { authority: 'cart:80' }))
  t.notOk(matches({ authority: { exact: 'cart' } }, { authority: 'CART' }))
  t.ok(matches({ headers: { ':authority': { exact: 'cart' }, host: { prefix: 'c' } } }, { authority: 'cart' }))
})

t.test('one field of several is enough for a header, whatever the case of its name', async t => {
  const headers = ['X-Tier', 'gold', 'x-tier', 'silver', 'x-empty', '']
  t.ok(matches({ headers: { 'x-tier': { exact: 'gold' } } }, { headers }))
  t.ok(matches({ headers: { 'X-TIER': { exact: 'silver' } } }, { headers }))
  t.notOk(matches({ headers: { 'x-tier': { exact: 'gold,silver' } } }, { headers }))
  t.notOk(matches({ headers: { 'x-tier': { exact: 'Gold' } } }, { headers }))
  t.ok(matches({ headers: { 'x-empty': {} } }, { headers }))
  t.notOk(matches({ headers: { 'x-none': {} } }, { headers }))
  t.ok(matches({ headers: { uri: { exact: 'ignored' }, method: { exact: 'ignored' } } }, { headers }))
  t.ok(matches({ headers: { 'x-name': { exact: 'é' } } }, { headers: ['x-name', '\u00c3\u00a9'] }))
})

t.test('an absent header counts as an empty one where it must not match', async t => {
  t.ok(matches({ withoutHeaders: { x: { exact: 'a' } } }, { headers: [] }))
  t.notOk(matches({ withoutHeaders: { x: { exact: 'a' } } }, { headers: ['x', 'b', 'X', 'a'] }))
  t.ok(matches({ withoutHeaders: { x: { exact: 'a' } } }, { headers: ['x', 'b'] }))
  t.notOk(matches({ withoutHeaders: { x: { exact: '' } } }, { headers: [] }))
  t.notOk(matches({ withoutHeaders: { x: { regex: '.*' } } }, { headers: [] }))
  for (const presence of [{}, { regex: '*' }]) {
    t.ok(matches({ withoutHeaders: { x: presence } }, { headers: [] }))
    t.notOk(matches({ withoutHeaders: { x: presence } }, { headers: ['x', ''] }))
  }
})

t.test('what must not be may be a part of the request line', async t => {
  const match = { withoutHeaders: { ':path': { prefix: '/admin' }, ':authority': { exact: 'internal' } } }
  t.ok(matches(match, { path: '/a' }))
  t.notOk(matches(match, { path: '/admin/x' }))
  t.notOk(matches(match, { path: '/a', authority: 'internal' }))
})

t.test('the first query parameter of a name counts, as it was sent', async t => {
  const query = (test: object, path: string) => matches({ queryParams: { v: test } }, { path })
  t.ok(query({ exact: '1' }, '/?v=1&v=2'))
  t.notOk(query({ exact: '2' }, '/?v=1&v=2'))
  t.ok(query({ exact: '' }, '/?v'))
  t.ok(query({ exact: '' }, '/?a=b&v=&c'))
  t.ok(query({}, '/?x&v'))
  t.notOk(query({}, '/?vv=1&V=1&xv=1'))
  t.notOk(query({ exact: '' }, '/v'))
  t.notOk(query({ exact: ' ' }, '/?v=%20'))
  t.ok(query({ prefix: 'a=' }, '/?v=a=b'))
  t.ok(query({ regex: '[0-9]+' }, '/?a=&v=42&'))
})

t.test('everything in a match must hold, and the first rule that holds is taken', async t => {
  const host = hostOf([
    { uri: { prefix: '/a' }, headers: { x: { exact: '1' } }, method: { exact: 'GET' } },
    { uri: { prefix: '/a' } },
    { uri: { prefix: '/' }, queryParams: { q: {} } },
  ])
  const found = (path: string, ...headers: string[]) => findRoute(host, requestOf({ path, headers }))?.name
  t.equal(found('/a', 'x', '1'), 'rule-0')
  t.equal(found('/a', 'x', '2'), 'rule-1')
  t.equal(found('/b?q=1'), 'rule-2')
  t.equal(found('/b'), undefined)
})

const text = fc.string({ unit: fc.constantFrom('a', 'B', '/', '?', '='), maxLength: 5 })
const stringMatch = fc.oneof(
  fc.record({ exact: text }),
  fc.record({ prefix: text }),
  fc.record({ pathPrefix: text.map(part => `/${part}`) }),
)

function naive(match: { exact?: string; prefix?: string; pathPrefix?: string }, value: string): boolean {
  if (match.exact !== undefined) return value === match.exact
  if (match.prefix !== undefined) return value.slice(0, match.prefix.length) === match.prefix
  if (match.pathPrefix === undefined) return true
  const prefix = match.pathPrefix
  return value === prefix || value.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`)
}

t.test('path matchers agree with a naive reading', async t => {
  const agree = (uri: object, path: string, ignoreUriCase: boolean) => {
    const fold = (value: string) => (ignoreUriCase ? value.toLowerCase() : value)
    const folded = Object.fromEntries(Object.entries(uri).map(([kind, value]) => [kind, fold(String(value))]))
    const expected = naive(folded, fold(path.split('?')[0] ?? ''))
    return matches({ uri, ignoreUriCase }, { path }) === expected
  }
  const path = text.map(part => `/${part}`)
  t.doesNotThrow(() => fc.assert(fc.property(stringMatch, path, fc.boolean(), agree), { numRuns: 5000, seed: 3 }))
})

t.test('finding a route agrees with asking every rule in turn', async t => {
  const small = fc.constantFrom('a', 'b')
  const match = fc.record(
    {
      uri: fc.record({ prefix: small.map(part => `/${part}`) }),
      headers: fc.dictionary(fc.constantFrom('x', 'y'), fc.record({ exact: small }), { maxKeys: 2 }),
      withoutHeaders: fc.dictionary(fc.constantFrom('x', 'y'), fc.record({ exact: small }), { maxKeys: 1 }),
      queryParams: fc.dictionary(fc.constantFrom('q', 'r'), fc.record({ exact: small }), { maxKeys: 1 }),
    },
    { requiredKeys: [] },
  )
  const pair = fc.tuple(fc.constantFrom('x', 'X', 'y'), small)
  const agree = (rules: HttpMatchSpec[], path: string, fields: [string, string][], query: [string, string][]) => {
    const target = `/${path}?${query.map(part => part.join('=')).join('&')}`
    const values = (name: string) => fields.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value)
    const first = rules.findIndex(({ uri, headers = {}, withoutHeaders = {}, queryParams = {} }) => {
      const parameter = (name: string) => query.find(([key]) => key === name)?.[1]
      return (
        (uri === undefined || `/${path}`.startsWith(uri.prefix ?? '')) &&
        Object.entries(headers).every(([name, test]) => values(name).includes(test.exact ?? '')) &&
        Object.entries(withoutHeaders).every(([name, test]) => !values(name).includes(test.exact ?? '')) &&
        Object.entries(queryParams).every(([name, test]) => parameter(name) === test.exact)
      )
    })
    const found = findRoute(hostOf(rules), requestOf({ path: target, headers: fields.flat() }))
    return found?.name === (first < 0 ? undefined : `rule-${first}`)
  }
  const query = fc.array(fc.tuple(fc.constantFrom('q', 'r'), small), { maxLength: 3 })
  const rules = fc.array(match, { maxLength: 5 })
  const fields = fc.array(pair, { maxLength: 4 })
  t.doesNotThrow(() => fc.assert(fc.property(rules, small, fields, query, agree), { numRuns: 3000, seed: 5 }))
})
