import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { JwtRule } from '../../../../mesh/model/policy.ts'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import type { Resource } from '../../../../mesh/resources/resource.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import { createFetchText } from '../../../../server/outbound-fetch.ts'
import { createOutboundUrls } from '../../../../server/outbound-url.ts'
import { startTokenKeys } from '../../../../server/policy/jwks.ts'
import { createKeyFile } from '../../../../server/policy/key-file.ts'
import { publicKeySet } from '../../../../server/policy/key-set.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { until } from '../../../support/eventually.ts'
import { recordedLog } from '../../../support/recorded-log.ts'
import { jwksOf, signingKey } from '../../../support/tokens.ts'
import { says, urlServer } from '../../../support/url-server.ts'

const one = jwksOf(signingKey('ES256', 'one'))
const two = jwksOf(signingKey('ES256', 'two'))
const minute = 60_000

function resources(...rules: readonly JwtRule[]): readonly Resource[] {
  const document = {
    apiVersion: 'security.istio.io/v1',
    kind: 'RequestAuthentication',
    metadata: { name: 'tokens', namespace: 'shop' },
    spec: { jwtRules: rules },
  }
  const { resources, problems } = parseResources(JSON.stringify(document), 'tokens.json')
  t.same(problems, [])
  return resources
}

function inBank(resource: Resource): Resource {
  if (resource.kind !== 'RequestAuthentication') throw new Error('no RequestAuthentication')
  return { ...resource, metadata: { ...resource.metadata, namespace: 'bank' } }
}

function world(t: Test, rules: readonly JwtRule[], folder = temporaryFolder(t), allow = ['127.0.0.1']) {
  const clock = new FakeClock()
  const log = recordedLog()
  const watch = new Watch(resources(...rules))
  const urls = createOutboundUrls({ allow, lookup: async () => ['127.0.0.1'], isOwn: () => false })
  const path = join(folder, 'token-keys.json')
  const keys = startTokenKeys({
    clock,
    random: () => 0.5,
    log,
    resources: watch,
    fetchText: createFetchText({ urls, clock }),
    file: createKeyFile(path),
  })
  t.teardown(() => keys.stop())
  const warned = () => log.lines.filter(({ level }) => level === 'warn')
  const counted = () => keys.fetches().success + keys.fetches().failure
  const keysOf = (uri: string, kind: 'jwks' | 'issuer' = 'jwks') => keys.keysOf.value(uri, kind)
  /** Waits for so many fetches to have ended, in all. */
  const fetches = (count: number) => until(`${count} fetches`, () => counted() >= count)
  return { clock, log, watch, keys, keysOf, counted, fetches, warned, path, folder }
}

function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-keys-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

t.test('fetches the keys of a URL at once, and every 20 minutes', async t => {
  const server = await urlServer(t, says(one))
  const uri = `${server.origin}/keys`
  const { clock, keys, keysOf, fetches, counted } = world(t, [{ issuer: 'i', jwksUri: uri }])
  t.equal(keysOf(uri), undefined, 'there is nothing that stands in')
  t.match(keys.status(), [{ uri, state: 'starting' }])
  await fetches(1)
  t.equal(keysOf(uri), publicKeySet(one))
  t.match(keys.status(), [{ uri, state: 'fresh', since: clock.now() }])
  let changes = 0
  keys.keysOf.subscribe(() => {
    changes += 1
  })
  await clock.advance(20 * minute - 1)
  t.equal(counted(), 1)
  await clock.advance(1)
  await fetches(2)
  t.equal(changes, 0, 'the same keys are no change')
  server.answer = says(two)
  await until('it waits for the next time', () => clock.pending === 1)
  await clock.advance(20 * minute)
  await fetches(3)
  t.equal(keysOf(uri), publicKeySet(two))
  t.equal(changes, 1)
})

t.test('finds the keys of an issuer by its metadata', async t => {
  const server = await urlServer(t, (request, response) => {
    const metadata = JSON.stringify({ issuer: `${server.origin}/realm/`, jwks_uri: `${server.origin}/keys` })
    says(request.url === '/keys' ? one : metadata)(request, response)
  })
  const issuer = `${server.origin}/realm/`
  const { keysOf, fetches } = world(t, [{ issuer }])
  await fetches(1)
  t.equal(keysOf(issuer, 'issuer'), publicKeySet(one))
  t.same(server.asked, ['/realm/.well-known/openid-configuration', '/keys'])
})

t.test('the keys of an issuer are not those that another rule has at the issuer’s URL', async t => {
  const server = await urlServer(t, (request, response) => {
    const metadata = JSON.stringify({ issuer: server.origin, jwks_uri: `${server.origin}/keys` })
    says(request.url === '/keys' ? one : request.url === '/' ? two : metadata)(request, response)
  })
  const { origin } = server
  const { keysOf, fetches } = world(t, [{ issuer: origin }, { issuer: 'other', jwksUri: origin }])
  await fetches(2)
  t.same([keysOf(origin, 'issuer'), keysOf(origin, 'jwks')], [publicKeySet(one), publicKeySet(two)])
})

t.test('metadata of another issuer, or that lead elsewhere, are none', async t => {
  const inner = await urlServer(t, says(one))
  let metadata = {}
  const server = await urlServer(t, (request, response) => says(JSON.stringify(metadata))(request, response))
  const of = (issuer: string) => ({ issuer, jwks_uri: inner.origin })
  for (const [wrong, reason] of [
    [of('https://other'), /no metadata of the issuer/],
    [{ ...of(server.origin), jwks_uri: 'file:///etc/passwd' }, /a scheme other than/],
    [{ ...of(server.origin), jwks_uri: 'http://169.254.169.254/' }, /a cloud metadata address/],
  ] as const) {
    metadata = wrong
    const { keys, keysOf, fetches } = world(t, [{ issuer: server.origin }])
    await fetches(1)
    t.equal(keysOf(server.origin, 'issuer'), undefined)
    t.match(keys.status(), [{ state: 'missing', reason }])
  }
  t.same(inner.asked, [])
})

t.test('without an answer at the start there are no keys, and it tries again soon', async t => {
  const server = await urlServer(t, says('down', 500))
  const uri = `${server.origin}/keys`
  const { clock, keys, keysOf, fetches, warned, counted } = world(t, [{ issuer: 'i', jwksUri: uri }])
  const failures = [
    says('<html>'),
    says('{"keys":7}'),
    says('', 200),
    says(one, 302),
    says(`{"keys":[],"x":"${'x'.repeat(2 ** 20)}"}`),
  ]
  await fetches(1)
  t.match(keys.status(), [{ state: 'missing', reason: /another status than 200, statusCode 500/ }])
  for (const [index, answer] of failures.entries()) {
    server.answer = answer
    await until('it waits for the next time', () => clock.pending === 1)
    await clock.advance(6 * minute)
    await fetches(index + 2)
    t.equal(keysOf(uri), undefined)
  }
  t.ok(warned().every(({ fields }) => fields.instead === 'tokens of its rules are refused'))
  server.answer = says(one)
  await until('it waits for the next time', () => clock.pending === 1)
  const before = counted()
  await clock.advance(6 * minute)
  await fetches(before + 1)
  t.equal(keysOf(uri), publicKeySet(one))
  t.match(keys.status(), [{ state: 'fresh' }])
})

t.test('the last good keys stay in use, also over a restart', async t => {
  const server = await urlServer(t, says(one))
  const uri = `${server.origin}/keys`
  const first = world(t, [{ issuer: 'i', jwksUri: uri }])
  await first.fetches(1)
  t.equal(statSync(first.path).mode & 0o777, 0o600)
  server.answer = says('garbage')
  await until('it waits for the next time', () => first.clock.pending === 1)
  await first.clock.advance(20 * minute)
  await first.fetches(2)
  t.equal(first.keysOf(uri), publicKeySet(one))
  t.match(first.keys.status(), [{ state: 'stale', reason: /no JSON Web Key Set/ }])
  t.match(first.warned(), [{ fields: { uri, instead: 'the last good keys stay in use' } }])
  await first.keys.stop()
  const second = world(t, [{ issuer: 'i', jwksUri: uri }], first.folder)
  t.equal(second.keysOf(uri), publicKeySet(one), 'at once')
  await second.fetches(1)
  t.match(second.keys.status(), [{ state: 'stale' }])
  server.answer = says('{"keys":[]}')
  await until('it waits for the next time', () => second.clock.pending === 1)
  await second.clock.advance(6 * minute)
  await second.fetches(2)
  t.equal(second.keysOf(uri), '{"keys":[]}', 'that all keys were taken back is an answer')
})

t.test('a file that is broken, or that others could have written, is not believed', async t => {
  const server = await urlServer(t, says('down', 500))
  const uri = `${server.origin}/keys`
  const file = (sets: unknown) => JSON.stringify({ sets })
  const good = [{ source: `jwks ${uri}`, keys: one, fetchedAt: 1 }]
  const tries: readonly (readonly [content: string, mode: number, keys: string | undefined])[] = [
    [file(good), 0o600, publicKeySet(one)],
    [file(good), 0o644, undefined],
    ['{"sets":', 0o600, undefined],
    [file(7), 0o600, undefined],
    [file([{ ...good[0], keys: 'x' }, null]), 0o600, undefined],
  ]
  for (const [content, mode, keys] of tries) {
    const folder = temporaryFolder(t)
    writeFileSync(join(folder, 'token-keys.json'), content, { mode })
    t.equal(world(t, [{ issuer: 'i', jwksUri: uri }], folder).keysOf(uri), keys, content)
  }
})

t.test('what no rule needs any more is neither fetched nor kept', async t => {
  const server = await urlServer(t, says(one))
  const [a, b] = [`${server.origin}/a`, `${server.origin}/b`]
  const { clock, watch, keys, keysOf, fetches, path } = world(t, [
    { issuer: 'i', jwksUri: a },
    { issuer: 'inline', jwks: one },
  ])
  await fetches(1)
  t.same(server.asked, ['/a'])
  watch.set(resources({ issuer: 'i', jwksUri: a, timeout: '1s' }, { issuer: 'j', jwksUri: b }))
  await fetches(3)
  t.same([keysOf(a), keysOf(b)], [publicKeySet(one), publicKeySet(one)])
  watch.set(resources({ issuer: 'j', jwksUri: b }))
  t.equal(keysOf(a), undefined)
  t.match(keys.status(), [{ uri: b }])
  t.notMatch(readFileSync(path, 'utf8'), a)
  await until('one waits for the next time', () => clock.pending === 1)
})

t.test('each fetch has the time-out of its rules', async t => {
  const server = await urlServer(t, () => {})
  const uri = `${server.origin}/keys`
  const { clock, counted, fetches, keys } = world(t, [
    { issuer: 'i', jwksUri: uri, timeout: '2s' },
    { issuer: 'j', jwksUri: uri, timeout: '100ms' },
  ])
  await until('it is asked', () => server.asked.length === 1)
  await clock.advance(1999)
  t.equal(counted(), 0)
  await clock.advance(1)
  await fetches(1)
  t.match(keys.status(), [{ state: 'missing', reason: /does not answer in time/ }])
})

t.test('hosts that never answer keep no other namespace from being fetched, and their own not for long', async t => {
  const silent = await urlServer(t, () => {})
  const server = await urlServer(t, says(one))
  const rules = Array.from({ length: 20 }, (_, index) => ({ issuer: 'i', jwksUri: `${silent.origin}/${index}` }))
  const [own, other] = [`${server.origin}/own`, `${server.origin}/other`]
  const { clock, watch, keysOf } = world(t, rules)
  await until('as many are asked as may be', () => silent.asked.length === 4)
  const slow = resources(...rules, { issuer: 'i', jwksUri: own }, { issuer: 'i', jwksUri: other })
  watch.set([...slow, ...resources({ issuer: 'i', jwksUri: other }).map(inBank)])
  await until('the other one is fetched, although the first one names it too', () => keysOf(other) !== undefined)
  t.equal(keysOf(own), undefined)
  t.equal(silent.asked.length, 4)
  await until('their own has its turn', async () => {
    await clock.advance(5000)
    return keysOf(own) !== undefined
  })
})

t.test('URLs that lead inside are refused by name, and nothing is asked', async t => {
  const server = await urlServer(t, says(one))
  const uri = `http://keys.example:${server.port}/`
  const { keys, fetches, warned } = world(t, [{ issuer: 'i', jwksUri: uri }], undefined, [])
  await fetches(1)
  const reason = /leads to a loopback address, address 127.0.0.1/
  t.match(keys.status(), [{ state: 'missing', reason }])
  t.match(warned(), [{ fields: { uri, reason } }])
  t.same(server.asked, [])
})

t.test('an issuer that is no URL has no keys, and it is said why', async t => {
  const { keys, fetches } = world(t, [{ issuer: 'shop@example' }])
  await fetches(1)
  t.match(keys.status(), [{ uri: 'shop@example', state: 'missing', reason: /the issuer is no URL/ }])
})

t.test('stops in the middle of a fetch', async t => {
  const server = await urlServer(t, () => {})
  const { clock, keys, counted } = world(t, [{ issuer: 'i', jwksUri: `${server.origin}/keys` }])
  await until('it is asked', () => server.asked.length === 1)
  await keys.stop()
  t.equal(clock.pending, 0)
  t.equal(counted(), 0)
  await keys.stop()
})
