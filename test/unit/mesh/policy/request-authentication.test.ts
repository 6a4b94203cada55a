import { execFileSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import type { JwtRule, PolicyConfig } from '../../../../mesh/model/policy.ts'
import type { TokenOutcome, TokenRequest } from '../../../../mesh/policy/request-authentication/token-outcome.ts'
import { compileRequestAuthentication } from '../../../../mesh/policy/request-authentication.ts'
import {
  base64Url,
  bearer,
  configOf,
  jwksOf,
  signingKey,
  token,
  tokenConfig,
  tokenOf,
  tokenPolicy,
  tokenRequest,
} from '../../../support/tokens.ts'

const cart = { namespace: 'shop', labels: { app: 'cart' }, services: ['shop/cart'] }
const now = 1_800_000_000_000
const seconds = now / 1000
const key = signingKey('ES256', 'one')
const other = signingKey('ES256', 'two')
const rule: JwtRule = { issuer: 'https://id', jwks: jwksOf(key) }
const claims = { iss: 'https://id', sub: 'ann', exp: seconds + 600 }

function compiled(config: PolicyConfig) {
  const authentication = compileRequestAuthentication(config, cart)
  if (authentication === undefined) throw new Error('no policy holds')
  return authentication
}

async function judge(rules: readonly JwtRule[], request: TokenRequest, at = now): Promise<TokenOutcome> {
  return compiled(tokenConfig(rules)).authenticate(request, at)
}

async function reasonOf(rules: readonly JwtRule[], request: TokenRequest, at = now): Promise<string> {
  const outcome = await judge(rules, request, at)
  return outcome.kind === 'refused' ? `${outcome.status} ${outcome.reason}` : outcome.kind
}

t.test('verifies with every asymmetric algorithm that Envoy has, and only with the key meant', async t => {
  for (const alg of ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']) {
    const right = signingKey(alg, 'k')
    const wrong = signingKey(alg, 'k')
    const rules = [{ issuer: 'https://id', jwks: jwksOf(right) }]
    t.equal(await reasonOf(rules, tokenRequest(bearer(token(right, claims)))), 'verified', alg)
    t.equal(await reasonOf(rules, tokenRequest(bearer(token(wrong, claims)))), '401 Jwt verification fails', alg)
  }
})

t.test('never takes a token that is not signed, or signed with what everyone knows', async t => {
  const rsa = signingKey('RS256', 'one')
  const secret = { kty: 'oct', kid: 'one', k: base64Url('secret') }
  const sets = [jwksOf(rsa), JSON.stringify({ keys: [rsa.jwk, secret] }), JSON.stringify({ keys: [secret] })]
  const body = base64Url(JSON.stringify(claims))
  const symmetric = (alg: string, material: string) => {
    const input = `${base64Url(JSON.stringify({ alg, kid: 'one' }))}.${body}`
    return `${input}.${createHmac('sha256', material).update(input).digest('base64url')}`
  }
  const forged = [
    `${base64Url('{"alg":"none"}')}.${body}.`,
    `${base64Url('{"alg":"none"}')}.${body}.AAAA`,
    `${base64Url('{"alg":"None","kid":"one"}')}.${body}.AAAA`,
    symmetric('HS256', 'secret'),
    symmetric('HS256', JSON.stringify(rsa.jwk)),
    symmetric('hs256', 'secret'),
    token(rsa, claims, { alg: 'RS257' }),
    token(rsa, claims, { crit: ['exp'] }),
    token(rsa, claims, { alg: 'ES256' }),
    token(rsa, claims, { alg: 'PS256' }),
  ]
  for (const jwks of sets) {
    for (const text of forged) {
      const outcome = await judge([{ issuer: 'https://id', jwks }], tokenRequest(bearer(text)))
      t.equal(outcome.kind, 'refused', text)
    }
  }
})

t.test('a rule without keys refuses every token, and lets requests without one pass', async t => {
  const text = token(key, claims)
  for (const jwks of [undefined, '', '{}', '{"keys":[]}', '{"keys":7}', '{"keys":[null,7,{}]}', 'null', '<html>']) {
    const rules = [{ issuer: 'https://id', jwks }]
    t.equal(await reasonOf(rules, tokenRequest(bearer(text))), '401 Jwks does not have any valid public key')
    t.equal(await reasonOf(rules, tokenRequest()), 'none')
  }
})

t.test('of a set only what is public counts, and keys for encryption do not', async t => {
  const keys = (...all: readonly unknown[]) => [{ issuer: 'https://id', jwks: JSON.stringify({ keys: all }) }]
  const request = tokenRequest(bearer(token(key, claims)))
  t.equal(await reasonOf(keys(key.privateJwk), request), 'verified')
  t.equal(await reasonOf(keys({ ...key.jwk, use: 'enc' }), request), '401 Jwks does not have any valid public key')
  t.equal(await reasonOf(keys({ ...key.jwk, x: '!' }, key.jwk), request), 'verified', 'a broken key hides no other')
  const short = { kty: 'RSA', kid: 'one', n: base64Url('x'.repeat(64)), e: 'AQAB' }
  t.equal(
    await reasonOf(keys(short), tokenRequest(bearer(token(signingKey('RS256', 'one'), claims)))),
    '401 Jwt verification fails',
  )
})

t.test('the key is chosen by kid where both sides have one, then by algorithm', async t => {
  const anonymous = signingKey('ES256')
  const withAlg = { ...other.jwk, alg: 'ES384' }
  const rules = (...all: readonly unknown[]) => [{ issuer: 'https://id', jwks: JSON.stringify({ keys: all }) }]
  const noKey = "401 Jwks doesn't have key to match kid or alg from Jwt"
  t.equal(await reasonOf(rules(other.jwk, key.jwk), tokenRequest(bearer(token(key, claims)))), 'verified')
  t.equal(
    await reasonOf(rules(other.jwk, key.jwk), tokenRequest(bearer(token(key, claims, { kid: undefined })))),
    'verified',
  )
  t.equal(await reasonOf(rules(other.jwk), tokenRequest(bearer(token(key, claims)))), noKey)
  t.equal(await reasonOf(rules(withAlg), tokenRequest(bearer(token(other, claims)))), noKey)
  t.equal(
    await reasonOf(rules(anonymous.jwk), tokenRequest(bearer(token(anonymous, claims, { kid: 'x' })))),
    'verified',
  )
})

t.test('answers with a promise the first time only, and by the clock each time', async t => {
  const authentication = compiled(tokenConfig([rule]))
  const request = tokenRequest(bearer(token(key, { ...claims, nbf: seconds })))
  const first = authentication.authenticate(request, now)
  t.ok(first instanceof Promise)
  t.match(await first, {
    kind: 'verified',
    token: { principal: 'https://id/ann' },
    by: { policy: 'shop/tokens-0', rule: 0 },
  })
  t.match(authentication.authenticate(request, now), { kind: 'verified' })
  t.match(authentication.authenticate(request, now + 660_000), { kind: 'verified' }, 'a minute of grace')
  t.match(authentication.authenticate(request, now - 61_000), { kind: 'refused', reason: 'Jwt not yet valid' })
  t.match(authentication.authenticate(request, now + 661_000), { kind: 'refused', reason: 'Jwt is expired' })
  t.match(authentication.authenticate(tokenRequest(), now), { kind: 'none' }, 'nothing to wait for without a token')
})

t.test('what is remembered of a token holds for the rule that verified it alone', async t => {
  const text = token(key, claims)
  const strict = { issuer: 'https://id', jwks: jwksOf(other), fromHeaders: [{ name: 'x-token' }] }
  const authentication = compiled(tokenConfig([rule, strict]))
  t.match(await authentication.authenticate(tokenRequest(bearer(text)), now), { kind: 'verified' })
  t.match(await authentication.authenticate(tokenRequest(['x-token', text]), now), { kind: 'refused' })
})

t.test('audiences are compared without scheme and last slash, and before the signature', async t => {
  const rules = [{ ...rule, audiences: ['https://cart.shop/', 'plain'] }]
  for (const aud of ['cart.shop', 'https://cart.shop', 'http://cart.shop/', ['x', 'plain']]) {
    t.equal(await reasonOf(rules, tokenRequest(bearer(token(key, { ...claims, aud })))), 'verified', String(aud))
  }
  for (const aud of ['cart.sho', 'https://cart.shop/x', [], undefined]) {
    const request = tokenRequest(bearer(token(other, { ...claims, aud })))
    t.equal(await reasonOf(rules, request), '403 Audiences in Jwt are not allowed', String(aud))
  }
})

t.test('registered claims of a wrong type are refused', async t => {
  const wrong = [
    { iss: 7 },
    { sub: {} },
    { aud: 7 },
    { aud: ['a', 7] },
    { exp: '1' },
    { exp: -1 },
    { exp: null },
    { nbf: 'now' },
    { iat: [] },
  ]
  for (const claim of wrong) {
    const request = tokenRequest(bearer(token(key, { ...claims, ...claim })))
    t.equal(
      await reasonOf([rule], request),
      '401 Jwt payload has a registered claim of a wrong type',
      JSON.stringify(claim),
    )
  }
})

t.test('tokens that are too long, too deep or too many are refused before anything is made of them', async t => {
  const deep = (depth: number) => `{"iss":"https://id","x":${'['.repeat(depth)}${']'.repeat(depth)}}`
  const request = (payload: string) => tokenRequest(bearer(tokenOf(key, '{"alg":"ES256"}', payload)))
  t.equal(await reasonOf([rule], request(deep(31))), 'verified')
  t.equal(await reasonOf([rule], request(deep(32))), '401 Jwt payload is nested deeper than 32 levels')
  t.equal(await reasonOf([rule], request(deep(5000))), '401 Jwt payload is nested deeper than 32 levels')
  t.equal(
    await reasonOf([rule], request('{"iss":"https://id","x":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\"["}')),
    'verified',
  )
  t.equal(await reasonOf([rule], tokenRequest(bearer('x'.repeat(16 * 1024 + 1)))), '401 Jwt is longer than 16 KiB')
  const many = tokenRequest([], { path: `/?${'access_token=a&'.repeat(9)}` })
  t.equal(await reasonOf([rule], many), '401 Request carries more than 8 Jwts for one rule')
})

t.test('nothing that a caller sends makes it throw', async () => {
  const authentication = compiled(
    tokenConfig([
      { ...rule, fromHeaders: [{ name: 'x-t', prefix: 'T ' }], fromParams: ['t'], fromCookies: ['c'] },
      rule,
    ]),
  )
  const part = fc.oneof(
    fc.string(),
    fc.json().map(base64Url),
    fc.constantFrom('', '.', '..', base64Url('{"alg":"ES256"}')),
  )
  const text = fc.array(part, { maxLength: 5 }).map(parts => parts.join('.'))
  const name = fc.constantFrom('authorization', 'x-t', 'cookie', 'X-T')
  const value = fc.tuple(fc.constantFrom('', 'Bearer ', 'T ', 'c=', 'a=b; c='), text).map(pair => pair.join(''))
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 4 }), text, async (fields, query) => {
      const outcome = await authentication.authenticate(tokenRequest(fields.flat(), { path: `/?t=${query}` }), now)
      return outcome.kind !== 'verified'
    }),
    { numRuns: 500 },
  )
})

t.test('several tokens that were all seen before are answered at once too', async t => {
  const authentication = compiled(tokenConfig([rule]))
  const [one, two] = [token(key, claims), token(key, { ...claims, sub: 'bob' })]
  const request = tokenRequest(bearer(one), { path: `/?access_token=${two}` })
  t.ok(authentication.authenticate(request, now) instanceof Promise)
  t.match(await authentication.authenticate(request, now), { token: { principal: 'https://id/ann' } })
  t.match(authentication.authenticate(request, now), { kind: 'verified', operations: { path: '/' } })
  t.match(authentication.authenticate(request, now + 700_000), { kind: 'refused' })
})

t.test('several tokens for one rule must all be right; of several rules one is enough', async t => {
  const right = token(key, claims)
  const wrong = token(key, { ...claims, exp: seconds - 600 })
  const second = { issuer: 'https://two', jwks: jwksOf(other), fromHeaders: [{ name: 'x-two' }] }
  const ofTwo = token(other, { ...claims, iss: 'https://two' })
  const path = `/?access_token=${wrong}`
  t.equal(await reasonOf([rule], tokenRequest(bearer(right), { path: `/?access_token=${right}` })), 'verified')
  t.equal(await reasonOf([rule], tokenRequest(bearer(right), { path })), '401 Jwt is expired')
  t.equal(await reasonOf([rule, second], tokenRequest([...bearer(wrong), 'x-two', ofTwo])), 'verified')
  t.equal(await reasonOf([rule, second], tokenRequest(['x-two', right])), '401 Jwt issuer is not configured')
  t.equal(await reasonOf([rule, { ...rule, issuer: 'https://z' }], tokenRequest(bearer(wrong))), '401 Jwt is expired')
})

t.test('every parameter and cookie of a name counts: a backend may read any of them', async t => {
  const right = token(key, claims)
  const rules = [{ ...rule, fromParams: ['t'], fromCookies: ['c'] }]
  t.equal(
    await reasonOf(rules, tokenRequest([], { path: `/?t=${right}&t=x` })),
    '401 Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
  )
  t.match(await reasonOf(rules, tokenRequest(['cookie', `c=${right}`, 'Cookie', 'a=b; c=x'])), /^401/)
  t.equal(await reasonOf(rules, tokenRequest(['cookie', `a=b; c="${right}"`])), 'verified')
  t.match(await judge(rules, tokenRequest([], { path: `/a?x=%41&%74=${right}&y` })), {
    kind: 'verified',
    operations: { path: '/a?x=%41&y' },
  })
})

t.test('a principal needs issuer and subject', async t => {
  const outcome = await judge([{ jwks: jwksOf(key) }], tokenRequest(bearer(token(key, { sub: 'ann' }))))
  t.match(outcome, { kind: 'verified', token: { principal: undefined } })
})

t.test('a refusal names the rule, and its challenge repeats no token', async t => {
  const request = tokenRequest([], { path: '/a"b?access_token=secret', authority: 'cart:80' })
  t.match(await judge([{ ...rule, issuer: 'z' }, rule], request), {
    kind: 'refused',
    status: 401,
    wwwAuthenticate: 'Bearer realm="https://cart:80/a%22b", error="invalid_token"',
    by: { policy: 'shop/tokens-0', rule: 1 },
  })
})

t.test('a preflight needs no token, and another OPTIONS request none either unless it has one', async t => {
  const cross = ['origin', 'https://a', 'access-control-request-method', 'GET', ...bearer('x')]
  t.equal(await reasonOf([rule], tokenRequest(cross, { method: 'OPTIONS' })), 'none')
  t.match(await reasonOf([rule], tokenRequest(cross)), /^401/)
  t.match(await reasonOf([rule], tokenRequest(bearer('x'), { method: 'OPTIONS' })), /^401/)
})

t.test('holds for the workloads that are selected, of the namespace or of the mesh', t => {
  const holds = (metadata: { namespace: string }, scope: object) =>
    compileRequestAuthentication(configOf([tokenPolicy(metadata, { ...scope, jwtRules: [rule] })]), cart) !== undefined
  t.ok(holds({ namespace: 'shop' }, {}))
  t.ok(holds({ namespace: 'weft-system' }, {}))
  t.ok(holds({ namespace: 'shop' }, { selector: { matchLabels: { app: 'cart' } } }))
  t.ok(holds({ namespace: 'shop' }, { targetRefs: [{ kind: 'Service', name: 'cart' }] }))
  t.notOk(holds({ namespace: 'shop' }, { targetRefs: [{ kind: 'Service', name: 'stock' }] }))
  t.notOk(holds({ namespace: 'shop' }, { selector: { matchLabels: { app: 'web' } } }))
  t.notOk(holds({ namespace: 'bank' }, {}))
  t.equal(compileRequestAuthentication(tokenConfig([]), cart), undefined)
  t.end()
})

t.test('dry-run policies have no effect, and are told where they would have one', async t => {
  const dry = tokenPolicy({ name: 'dry', dryRun: true }, { jwtRules: [{ ...rule, audiences: ['cart'] }] })
  const text = token(key, claims)
  const alone = await compiled(configOf([dry])).authenticate(tokenRequest(bearer(text)), now)
  t.match(alone, {
    kind: 'none',
    operations: { remove: [] },
    dryRun: { kind: 'refused', status: 403, by: { policy: 'shop/dry' } },
  })
  const forced = tokenPolicy({ name: 'forced' }, { jwtRules: [rule] })
  const both = compiled(configOf([dry, forced]))
  const outcome = await both.authenticate(tokenRequest(bearer(text)), now)
  t.match(outcome, { kind: 'verified', by: { policy: 'shop/forced' } })
  t.notOk('dryRun' in outcome, 'another rule would be satisfied all the same')
  t.notOk('dryRun' in (await both.authenticate(tokenRequest(), now)))
})

t.test('a dry run that changes nothing for the caller is not told', async t => {
  const dry = tokenPolicy({ name: 'dry', dryRun: true }, { jwtRules: [rule] })
  const forced = tokenPolicy({ name: 'forced', createdAt: 1 }, { jwtRules: [rule] })
  const both = compiled(configOf([dry, forced]))
  for (const text of [token(key, claims), token(other, claims), 'x']) {
    const outcome = await both.authenticate(tokenRequest(bearer(text)), now)
    t.notOk('dryRun' in outcome, text)
    if (outcome.kind !== 'none') t.equal(outcome.by.policy, 'shop/forced')
  }
  const alone = await compiled(configOf([dry])).authenticate(tokenRequest(bearer(token(key, claims))), now)
  t.match(alone, { kind: 'none', dryRun: { kind: 'verified' } })
})

t.test('finds tokens where rules look for them', t => {
  const rules = [
    { ...rule, fromHeaders: [{ name: 'X-Jwt', prefix: 'Tok ' }] },
    { ...rule, fromParams: ['t'] },
  ]
  const found = compiled(tokenConfig(rules)).find(['x-jwt', 'Tok  a.b.c', 'authorization', 'Bearer z'], '/?t=d.e.f')
  t.same(found, [
    { text: 'a.b.c', location: { kind: 'header', name: 'x-jwt', prefix: 'Tok ' } },
    { text: 'd.e.f', location: { kind: 'parameter', name: 't' } },
  ])
  t.end()
})

t.test('the library for tokens is loaded with the first token, not before', t => {
  const text = token(key, claims)
  const program = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ resolve(name, context, next) { loaded.push(name); return next(name, context) } })
    const { compileRequestAuthentication } = await import('./mesh/policy/request-authentication.ts')
    const config = ${JSON.stringify(tokenConfig([rule]))}
    const authentication = compileRequestAuthentication(config, ${JSON.stringify(cart)})
    const ask = headers => authentication.authenticate({ ...${JSON.stringify(tokenRequest())}, headers }, ${now})
    await ask([])
    await ask(['authorization', 'Bearer x'])
    const before = loaded.includes('jose')
    const { kind } = await ask(${JSON.stringify(bearer(text))})
    console.log(JSON.stringify([before, kind, loaded.includes('jose')]))
  `
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  t.same(JSON.parse(output), [false, 'verified', true])
  t.end()
})
