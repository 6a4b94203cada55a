import t from 'tap'
import { prepareAppRequest } from '../../../../../agent/dataplane/h2/app-request.ts'

const get = (...more: readonly string[]) => [':method', 'GET', ':scheme', 'http', ':path', '/x', ...more]

t.test('host is taken off when it says the same as :authority, whatever its case', async t => {
  const headers = get(':authority', 'api.mesh:80', 'accept', '*/*', 'host', 'API.mesh:80')
  t.equal(prepareAppRequest(headers, 'http'), undefined)
  t.strictSame(headers, get(':authority', 'api.mesh:80', 'accept', '*/*'))
})

t.test('host becomes :authority when there is none', async t => {
  const headers = get('accept', '*/*', 'host', 'api.mesh')
  t.equal(prepareAppRequest(headers, 'http'), undefined)
  t.strictSame(headers, [':authority', 'api.mesh', ...get('accept', '*/*')])
})

t.test('refuses what two readers could understand in two ways', async t => {
  const cases: readonly (readonly [string, readonly string[], string])[] = [
    ['another host', get(':authority', 'api', 'host', 'other'), '400'],
    ['a host with another port', get(':authority', 'api', 'host', 'api:80'), '400'],
    ['an empty host', get(':authority', 'api', 'host', ''), '400'],
    ['two hosts', get(':authority', 'api', 'host', 'api', 'host', 'api'), '400'],
    ['nobody', get(), '400'],
    ['user information in host', get('host', 'user@api'), '400'],
    ['user information', get(':authority', 'user@api'), '400'],
    ['a fragment', [':method', 'GET', ':scheme', 'http', ':path', '/x#y', ':authority', 'api'], '400'],
    ['a path beyond ASCII', [':method', 'GET', ':scheme', 'http', ':path', '/\u00e9', ':authority', 'api'], '400'],
    ['an authority beyond ASCII', get(':authority', 'ap\u00ef'), '400'],
    ['a method in lower case', [':method', 'Get', ':scheme', 'http', ':path', '/', ':authority', 'api'], '400'],
    ['another scheme', [':method', 'GET', ':scheme', 'https', ':path', '/', ':authority', 'api'], '400'],
    ['a name with an underscore', get(':authority', 'api', 'content_length', '5'), '400'],
    ['CONNECT', [':method', 'CONNECT', ':authority', 'api:80'], '405'],
  ]
  for (const [what, headers, status] of cases) t.equal(prepareAppRequest([...headers], 'http')?.status, status, what)
})

t.test('where TLS is ours the scheme is https', async t => {
  const headers = [':method', 'GET', ':scheme', 'https', ':path', '/', ':authority', 'api']
  t.equal(prepareAppRequest([...headers], 'https'), undefined)
})
