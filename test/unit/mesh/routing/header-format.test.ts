import t from 'tap'
import { compileHeaderValue, formatHeaderValue, headerFormatProblem } from '../../../../mesh/routing/header-format.ts'
import { factsOf, headOf } from '../../../support/compiled-routes.ts'

const facts = factsOf({
  startedAt: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  routeName: 'canary',
  node: 'h1',
  downstreamLocalAddress: '[::1]:80',
})
const request = headOf('/p?q=1&r=2', 'x-in', 'abcdef')
const response = ['x-up', 'u']

const values: readonly (readonly [value: string, expected: string])[] = [
  ['plain', 'plain'],
  ['', ''],
  ['100%%', '100%'],
  ['%%REQ(x-in)%%', '%REQ(x-in)%'],
  ['%REQ(x-in)%', 'abcdef'],
  ['%REQ(X-In):3%', 'abc'],
  ['%REQ(x-miss?x-in)%', 'abcdef'],
  ['<%REQ(x-miss)%>', '<>'],
  ['%REQ(HOST)% %REQ(:authority)%', 'cart cart'],
  ['%REQ(:path)% %REQ_WITHOUT_QUERY(:path)%', '/p?q=1&r=2 /p'],
  ['%PATH(NQ:PATH)% %PATH(WQ)%', '/p /p?q=1&r=2'],
  ['%QUERY_PARAM(r)%%QUERY_PARAM(s)%', '2'],
  ['%RESP(x-up)%', 'u'],
  ['%PROTOCOL%', 'HTTP/1.1'],
  ['%START_TIME%', '2026-01-02T03:04:05.678Z'],
  ['%START_TIME(%s.%3f)%', '1767323045.678'],
  ['%START_TIME(%Y-%m-%dT%H:%M:%S)%', '2026-01-02T03:04:05'],
  ['%DOWNSTREAM_REMOTE_ADDRESS%', '10.20.0.5:40000'],
  ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT%', '10.20.0.5 40000'],
  ['%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%', '::1'],
  ['%ROUTE_NAME%', 'canary'],
  ['pre %HOSTNAME% post', 'pre h1 post'],
  ['%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED%', '0 - 0'],
  ['é', '\u00c3\u00a9'],
]

t.test('values are made from the message and from what is known of it', async t => {
  for (const [value, expected] of values) {
    t.equal(formatHeaderValue(compileHeaderValue(value), { request, response, facts }), expected, value)
    t.equal(headerFormatProblem(value), undefined, value)
  }
})

t.test('says what Envoy would refuse', async t => {
  for (const value of [
    '%',
    '50% off',
    '%NOT_A_COMMAND%',
    '%REQ%',
    '%req(x)%',
    '%REQ(x',
    '%PATH(XX)%',
    '%START_TIME(%Q)%',
  ]) {
    t.type(headerFormatProblem(value), 'string', value)
  }
})
