import t from 'tap'
import { hash53 } from '../../../../../agent/dataplane/upstream/hash.ts'
import { type HashRequest, hashOf, makeCookie } from '../../../../../agent/dataplane/upstream/hash-key.ts'
import type { HashKey } from '../../../../../mesh/routing/cluster.ts'

const request = (values: Partial<HashRequest> = {}): HashRequest => ({
  path: '/',
  headers: [],
  sourceAddress: '10.0.0.9',
  sourcePort: 40_000,
  ...values,
})

const cookie = (values: Partial<Extract<HashKey, { kind: 'cookie' }>> = {}): HashKey => ({
  kind: 'cookie',
  name: 'session',
  path: '',
  ttlMs: undefined,
  attributes: [],
  ...values,
})

t.test('a request hashes by what the key names in it', async t => {
  const rows: readonly (readonly [HashKey, Partial<HashRequest>, string | undefined])[] = [
    [{ kind: 'header', name: 'x-user' }, { headers: [':path', '/', 'X-User', 'alice'] }, 'alice'],
    [{ kind: 'header', name: 'X-User' }, { headers: ['x-user', ''] }, ''],
    [{ kind: 'header', name: 'x-user' }, { headers: ['x-users', 'alice', 'y-user', 'bob'] }, undefined],
    [{ kind: 'header', name: 'x-user' }, { headers: ['x-user', 'b', 'x-user', 'a'] }, 'a,b'],
    [{ kind: 'source-ip' }, {}, '10.0.0.9'],
    [{ kind: 'query', name: 'user' }, { path: '/a?id=1&user=alice&user=bob' }, 'alice'],
    [{ kind: 'query', name: 'user' }, { path: '/a?user=al%69ce#user=x' }, 'al%69ce'],
    [{ kind: 'query', name: 'user' }, { path: '/a?user' }, ''],
    [{ kind: 'query', name: 'user' }, { path: '/a?users=1&xuser=2' }, undefined],
    [{ kind: 'query', name: 'user' }, { path: '/user=alice' }, undefined],
    [cookie(), { headers: ['cookie', 'a=b; session=alice; c=d'] }, 'alice'],
    [cookie(), { headers: ['Cookie', 'a=b', 'cookie', 'session="alice"'] }, 'alice'],
    [cookie(), { headers: ['cookie', 'session=a; session=b'] }, 'a'],
    [cookie(), { headers: ['cookie', 'session2=alice; xsession=b'] }, undefined],
    [cookie(), {}, undefined],
  ]
  for (const [key, values, input] of rows) {
    const expected = input === undefined ? undefined : hash53(input)
    t.equal(hashOf(key, request(values)), expected, JSON.stringify({ key, values }))
  }
})

t.test('makes a cookie with the time to live, path and attributes that are asked for', async t => {
  const attributes = [
    { name: 'SameSite', value: 'Lax' },
    { name: 'Secure', value: '' },
  ]
  const made = makeCookie(cookie({ ttlMs: 1500, path: '/shop', attributes }), request())
  t.match(made?.setCookie, /^session="[0-9a-f]{14}"; Max-Age=2; Path=\/shop; SameSite=Lax; Secure; HttpOnly$/)
  t.match(makeCookie(cookie({ ttlMs: 0 }), request())?.setCookie, /^session="[0-9a-f]{14}"; HttpOnly$/)
})

t.test('a request that brings the made cookie hashes like the one it was made for', async t => {
  const key = cookie({ ttlMs: 60_000 })
  const made = makeCookie(key, request())
  const [pair = ''] = made?.setCookie.split(';') ?? []
  t.equal(hashOf(key, request({ headers: ['cookie', pair] })), made?.hash)
})

t.test('connections get cookies of their own, requests of one connection the same', async t => {
  const key = cookie({ ttlMs: 60_000 })
  t.strictSame(makeCookie(key, request()), makeCookie(key, request()))
  t.not(makeCookie(key, request())?.hash, makeCookie(key, request({ sourcePort: 40_001 }))?.hash)
})

t.test('without a time to live no cookie is made, nor for other keys', async t => {
  t.equal(makeCookie(cookie(), request()), undefined)
  t.equal(makeCookie({ kind: 'source-ip' }, request()), undefined)
})
