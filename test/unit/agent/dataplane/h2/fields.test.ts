import t from 'tap'
import * as fields from '../../../../../agent/dataplane/h2/fields.ts'

const rules = fields.fieldRules('h2')
const checkRequest = (headers: readonly string[]) => fields.checkRequest(headers, rules)
const checkResponse = (headers: readonly string[]) => fields.checkResponse(headers, rules)
const checkTrailers = (headers: readonly string[]) => fields.checkTrailers(headers, rules)

const get = [':method', 'GET', ':scheme', 'https', ':authority', 'api.default.mesh', ':path', '/x?y=1']
const connect = [':method', 'CONNECT', ':authority', '10.0.0.1:80']

/** `get` with one pair replaced. */
function getWith(name: string, value: string): string[] {
  const list = [...get]
  list[list.indexOf(name) + 1] = value
  return list
}

function getWithout(name: string): string[] {
  const at = get.indexOf(name)
  return get.toSpliced(at, 2)
}

t.test('takes requests as they should be', async t => {
  t.match(checkRequest(get), { connect: false, contentLength: -1, head: false })
  t.match(checkRequest([...get, 'content-length', '12', 'te', 'trailers']), { contentLength: 12 })
  t.match(checkRequest(getWith(':method', 'HEAD')), { head: true })
  t.ok(checkRequest([':method', 'OPTIONS', ':scheme', 'https', ':path', '*']))
  t.ok(checkRequest([...get, 'x-utf8', 'caf\u00c3\u00a9', 'x-empty', '']))
  t.ok(checkRequest(getWithout(':authority')), 'the authority may be absent')
})

t.test('takes a CONNECT with an authority alone', async t => {
  t.match(checkRequest(connect), { connect: true })
  t.match(checkRequest([':method', 'CONNECT', ':authority', '[fd00::1]:80', 'baggage', 'k=v']), { connect: true })
})

const malformed: Readonly<Record<string, readonly string[]>> = {
  'no method': getWithout(':method'),
  'no scheme': getWithout(':scheme'),
  'no path': getWithout(':path'),
  'nothing at all': [],
  'an empty path': getWith(':path', ''),
  'a path without a slash': getWith(':path', 'x'),
  'an absolute path': getWith(':path', 'http://other/x'),
  'a path with a space': getWith(':path', '/x y'),
  'a path with a line end': getWith(':path', '/x\r\ny'),
  'a path with bytes above ASCII': getWith(':path', '/caf\u00e9'),
  'an asterisk for GET': getWith(':path', '*'),
  'a method with a space': getWith(':method', 'GET /'),
  'an empty method': getWith(':method', ''),
  'a scheme with a colon': getWith(':scheme', 'http:'),
  'an authority with a slash': getWith(':authority', 'a/b'),
  'an authority with user information': getWith(':authority', 'user@host'),
  'an empty authority': getWith(':authority', ''),
  'a pseudo-header twice': [...get.slice(0, 8), ':path', '/other'],
  'an unknown pseudo-header': [...get, ':protocol', 'websocket'],
  'a response pseudo-header': [':status', '200', ...get],
  'a pseudo-header after a field': [...get.slice(0, 6), 'a', 'b', ':path', '/'],
  'CONNECT with a path': [...connect, ':path', '/'],
  'CONNECT with a scheme': [...connect, ':scheme', 'https'],
  'CONNECT without an authority': [':method', 'CONNECT'],
  'an upper-case name': [...get, 'X-Own', 'v'],
  'an empty name': [...get, '', 'v'],
  'a name with a space': [...get, 'a b', 'v'],
  'a name with a colon inside': [...get, 'a:b', 'v'],
  'a name above ASCII': [...get, 'caf\u00e9', 'v'],
  'a value with a line feed': [...get, 'a', 'b\nc'],
  'a value with a carriage return': [...get, 'a', 'b\rc'],
  'a value with a NUL': [...get, 'a', 'b\0c'],
  'a value that begins with a space': [...get, 'a', ' b'],
  'a value that ends with a tab': [...get, 'a', 'b\t'],
  connection: [...get, 'connection', 'close'],
  'keep-alive': [...get, 'keep-alive', 'timeout=5'],
  'proxy-connection': [...get, 'proxy-connection', 'close'],
  'transfer-encoding': [...get, 'transfer-encoding', 'chunked'],
  upgrade: [...get, 'upgrade', 'websocket'],
  'te other than trailers': [...get, 'te', 'gzip'],
  'two different content-lengths': [...get, 'content-length', '1', 'content-length', '2'],
  'a content-length that is no number': [...get, 'content-length', '1x'],
  'a negative content-length': [...get, 'content-length', '-1'],
  'an endless content-length': [...get, 'content-length', '9'.repeat(16)],
}

for (const [name, headers] of Object.entries(malformed)) {
  t.test(`refuses a request with ${name}`, async t => {
    t.equal(checkRequest(headers), undefined)
  })
}

t.test('takes responses with one status and refuses the rest', async t => {
  t.match(checkResponse([':status', '200', 'content-length', '5']), { status: 200, contentLength: 5 })
  t.match(checkResponse([':status', '103']), { status: 103 })
  for (const status of ['', '20', '2000', '2x0', '099', '+20']) {
    t.equal(checkResponse([':status', status]), undefined, status)
  }
  t.equal(checkResponse(['a', 'b']), undefined)
  t.equal(checkResponse([':status', '200', ':status', '200']), undefined)
  t.equal(checkResponse([':status', '200', 'connection', 'close']), undefined)
  t.equal(checkResponse([':status', '200', 'a', 'b\r\nc']), undefined)
})

t.test('takes trailers without pseudo-headers', async t => {
  t.equal(checkTrailers(['grpc-status', '0']), true)
  t.equal(checkTrailers([':status', '200']), false)
  t.equal(checkTrailers(['Upper', 'x']), false)
})

t.test('between Weft agents names keep their case, and mean the same', async t => {
  const weft = fields.fieldRules('weft')
  t.match(fields.checkRequest([...get, 'X-Own', 'v', 'Content-Length', '7'], weft), { contentLength: 7 })
  for (const [name, value] of [
    ['Connection', 'close'],
    ['Transfer-Encoding', 'chunked'],
    ['TE', 'gzip'],
    ['Content-Length', '+7'],
    ['X Own', 'v'],
    ['X:Own', 'v'],
  ] as const) {
    t.equal(fields.checkRequest([...get, name, value], weft), undefined, name)
  }
  t.equal(fields.checkRequest([...get, 'content-length', '7', 'Content-Length', '8'], weft), undefined)
})

t.test('only Weft agents may ask each other for an upgrade, and grant it', async t => {
  const weft = fields.fieldRules('weft')
  const asks = [...get, 'Upgrade', 'websocket']
  t.ok(fields.checkRequest(asks, weft))
  t.equal(fields.asksForUpgrade(asks, weft), true)
  t.equal(fields.asksForUpgrade(get, weft), false)
  t.match(fields.checkResponse([':status', '101', 'upgrade', 'websocket'], weft), { status: 101 })
  t.equal(checkRequest([...get, 'upgrade', 'websocket']), undefined)
  t.equal(checkResponse([':status', '101']), undefined)
})
