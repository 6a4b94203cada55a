import t from 'tap'
import { discoveredUri, discoveryUrl, publicKeySet } from '../../../../server/policy/key-set.ts'
import { jwksOf, signingKey } from '../../../support/tokens.ts'

const ec = signingKey('ES256', 'a')
const ed = signingKey('EdDSA', 'b')

t.test('the same keys are the same text, in whatever order and words they come', t => {
  const { kty, ...rest } = ec.jwk
  const other = JSON.stringify({ keys: [ed.jwk, { x5t: 'x', ...rest, kty }], more: true }, null, 2)
  t.equal(publicKeySet(jwksOf(ec, ed)), publicKeySet(other))
  t.same(JSON.parse(publicKeySet(jwksOf(ec)) ?? '').keys, [ec.jwk])
  t.end()
})

t.test('nothing secret and nothing unknown is handed on', t => {
  const odd = [
    { kty: 'oct', kid: 's', k: 'c2VjcmV0' },
    { kty: 'new', kid: 'n' },
    { kty: 'EC', crv: 'P-256', x: '!' },
    { ...ec.jwk, kid: 'x'.repeat(5000) },
    7,
    null,
  ]
  const set = publicKeySet(JSON.stringify({ keys: [ec.privateJwk, ...odd] })) ?? ''
  t.same(JSON.parse(set).keys, [ec.jwk])
  t.equal(publicKeySet(JSON.stringify({ keys: odd })), '{"keys":[]}')
  t.equal(publicKeySet('{"keys":[]}'), '{"keys":[]}', 'that there are no keys any more is an answer')
  t.end()
})

t.test('nothing is nested so deeply that it would be the end of the server', t => {
  const deep = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
  for (const depth of [1000, 400_000]) {
    const odd = `{"kty":"EC","x":${deep(depth)}}`
    t.same(JSON.parse(publicKeySet(`{"keys":[${odd},${JSON.stringify(ec.jwk)}]}`) ?? '').keys, [ec.jwk])
    t.equal(discoveredUri(`{"issuer":"i","jwks_uri":"u","x":${deep(depth)}}`, 'i'), 'u')
    t.equal(discoveredUri(`{"issuer":"i","jwks_uri":${deep(depth)}}`, 'i'), undefined)
  }
  t.end()
})

t.test('what is no key set is none', t => {
  const many = JSON.stringify({ keys: Array.from({ length: 101 }, () => ec.jwk) })
  for (const text of [
    '',
    '<html>',
    'null',
    '[]',
    '{}',
    '{"keys":{}}',
    JSON.stringify(ec.jwk),
    many,
    '['.repeat(200_000),
  ]) {
    t.equal(publicKeySet(text), undefined, text.slice(0, 30))
  }
  t.end()
})

t.test('metadata count for the issuer that they name', t => {
  const metadata = (issuer: unknown, uri: unknown) => JSON.stringify({ issuer, jwks_uri: uri })
  t.equal(discoveredUri(metadata('https://id', 'https://id/keys'), 'https://id'), 'https://id/keys')
  t.equal(discoveredUri(metadata('https://evil', 'https://id/keys'), 'https://id'), undefined)
  t.equal(discoveredUri(metadata('https://id/', 'https://id/keys'), 'https://id'), undefined)
  t.equal(discoveredUri(metadata('https://id', 7), 'https://id'), undefined)
  t.equal(discoveredUri('<html>', 'https://id'), undefined)
  t.equal(discoveryUrl('https://id/realm/'), 'https://id/realm/.well-known/openid-configuration')
  t.equal(discoveryUrl('https://id'), 'https://id/.well-known/openid-configuration')
  t.end()
})
