import t from 'tap'
import type { JwtRule } from '../../../../../mesh/model/policy.ts'
import type { TokenOutcome, TokenRequest } from '../../../../../mesh/policy/request-authentication/token-outcome.ts'
import { compileRequestAuthentication } from '../../../../../mesh/policy/request-authentication.ts'
import { bearer, jwksOf, signingKey, token, tokenConfig, tokenRequest } from '../../../../support/tokens.ts'

const now = 1_800_000_000_000
const key = signingKey('ES256', 'one')
const rule: JwtRule = { issuer: 'https://id', jwks: jwksOf(key) }
const claims = { iss: 'https://id', sub: 'ann', exp: now / 1000 + 600 }

async function judge(rules: readonly JwtRule[], request: TokenRequest): Promise<TokenOutcome> {
  const cart = { namespace: 'shop', labels: {}, services: [] }
  const authentication = compileRequestAuthentication(tokenConfig(rules), cart)
  if (authentication === undefined) throw new Error('no policy holds')
  return authentication.authenticate(request, now)
}

t.test('headers that rules write never come from callers', async t => {
  const output = {
    outputPayloadToHeader: 'X-Payload',
    outputClaimToHeaders: [
      { header: 'x-role', claim: 'role' },
      { header: 'x-url', claim: 'https://id/role.name' },
      { header: 'x-deep', claim: 'a.b' },
      { header: 'x-list', claim: 'list' },
      { header: 'x-half', claim: 'half' },
      { header: 'x-minus', claim: 'minus' },
      { header: 'x-count', claim: 'count' },
      { header: 'x-flag', claim: 'flag' },
      { header: 'x-split', claim: 'split' },
      { header: 'x-none', claim: 'toString' },
      { header: 'x-uni', claim: 'uni' },
    ],
  }
  const more = {
    role: 'admin',
    'https://id/role.name': 'dotted',
    a: { b: 'deep' },
    list: ['x', 1],
    half: 1.5,
    minus: -3,
    count: 42,
    flag: true,
    split: 'a\r\nx-role: root',
    uni: 'é',
  }
  const text = token(key, { ...claims, ...more })
  const outcome = await judge([{ ...rule, ...output }], tokenRequest(bearer(text)))
  const names = ['x-payload', ...output.outputClaimToHeaders.map(({ header }) => header)]
  t.match(outcome, { kind: 'verified' })
  if (outcome.kind === 'refused') return
  t.same(outcome.operations.remove, [...names, 'authorization'])
  t.same(outcome.operations.set, [
    ...['x-payload', text.split('.')[1]],
    ...['x-role', 'admin', 'x-url', 'dotted', 'x-deep', 'deep'],
    ...['x-list', Buffer.from('["x",1]').toString('base64')],
    ...['x-half', '1.500000', 'x-minus', '-3.000000', 'x-count', '42', 'x-flag', 'true', 'x-uni', 'Ã©'],
  ])
  const bare = await judge([{ ...rule, ...output }], tokenRequest(['X-Role', 'root']))
  t.match(bare, { kind: 'none', operations: { remove: names, set: [] } })
})

t.test('a token that is forwarded stays where it is', async t => {
  const text = token(key, claims)
  const request = tokenRequest(bearer(text), { path: `/?access_token=${text}` })
  t.match(await judge([{ ...rule, forwardOriginalToken: true }], request), {
    operations: { remove: [], path: undefined },
  })
  t.match(await judge([rule], request), { operations: { remove: ['authorization'], path: '/' } })
})

t.test('words of scope, permission and named claims are lists for policies', async t => {
  const text = token(key, {
    ...claims,
    scope: 'read  write',
    permission: 'p',
    groups: 'a b',
    note: 'c d',
    sub: 'ann lee',
  })
  const outcome = await judge([{ ...rule, spaceDelimitedClaims: ['groups'] }], tokenRequest(bearer(text)))
  t.match(outcome, {
    token: {
      principal: 'https://id/ann lee',
      claims: { scope: ['read', 'write'], permission: ['p'], groups: ['a', 'b'], note: 'c d' },
    },
  })
})

t.test('no rule writes or removes what a message is addressed and delimited by', async t => {
  const outputClaimToHeaders = ['Content-Length', 'host', 'x-ok'].map(header => ({ header, claim: 'sub' }))
  const odd = {
    ...rule,
    outputPayloadToHeader: 'transfer-encoding',
    outputClaimToHeaders,
    fromHeaders: [{ name: 'Host' }],
  }
  const outcome = await judge([odd], tokenRequest(['host', token(key, claims)]))
  t.match(outcome, { kind: 'verified', operations: { remove: ['x-ok'], set: ['x-ok', 'ann'] } })
  if (outcome.kind === 'verified') t.same(outcome.operations.set.length, 2)
})
