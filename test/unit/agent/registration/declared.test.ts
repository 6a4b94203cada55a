import t from 'tap'
import { declare, declaredBySettings, nameOfNode, parsePorts } from '../../../../agent/registration/declared.ts'

t.test('a wish gets the default name and an address in its one spelling', async t => {
  t.same(declare({ group: 'default/payments' }, 'vm-1'), {
    group: 'default/payments',
    name: 'vm-1',
    address: '',
    ports: {},
  })
  t.match(declare({ group: 'default/pay.v2', name: 'a', address: 'FD00::0:1', ports: { http: 80 } }, 'vm-1'), {
    name: 'a',
    address: 'fd00::1',
    ports: { http: 80 },
  })
})

t.test('what is wrong with a wish is named', async t => {
  const rows: [Parameters<typeof declare>[0], RegExp][] = [
    [{ group: '' }, /^group is not/],
    [{ group: 'payments' }, /^group "payments" is not <namespace>\/<name>/],
    [{ group: 'a/b/c' }, /^group "a\/b\/c"/],
    [{ group: 'A/b' }, /^group/],
    [{ group: 'a/b', name: 'x.y' }, /^name "x.y" must be/],
    [{ group: 'a/b', name: '' }, /^name must be/],
    [{ group: 'a/b', address: 'host' }, /^address "host" is not/],
    [{ group: 'a/b', address: '::ffff:10.0.0.1' }, /^address/],
    [{ group: 'a/b', ports: { 'a b': 1 } }, /^ports "a b" is not the name of a port/],
    [{ group: 'a/b', ports: { http: 0 } }, /^ports "http" is not from 1 to 65535/],
    [{ group: 'a/b', ports: { http: 1.5 } }, /^ports "http"/],
    [{ group: 'a/b', ports: Object.fromEntries(Array.from({ length: 129 }, (_, at) => [`p${at}`, 1])) }, /128/],
  ]
  for (const [wish, message] of rows) {
    t.throws(() => declare(wish, 'vm-1'), { code: 'WEFT_REGISTRATION_INVALID', message })
  }
})

t.test('ports are written as name=port, each once', async t => {
  t.same(parsePorts(['http=8080', 'grpc=9090']), { http: 8080, grpc: 9090 })
  t.same(parsePorts([]), {})
  for (const text of ['http', 'http=', '=80', 'http=x', 'http=123456']) {
    t.throws(() => parsePorts([text]), { message: /is not <name>=<port>/ }, text)
  }
  t.throws(() => parsePorts(['http=1', 'http=2']), { message: /given twice/ })
})

t.test('the name of any host becomes the name of a workload', async t => {
  t.equal(nameOfNode('vm-1'), 'vm-1')
  t.equal(nameOfNode('VM_17.example.com'), 'vm-17-example-com')
  t.equal(nameOfNode('-x-'), 'x')
  const long = nameOfNode(`${'a'.repeat(62)}.${'b'.repeat(20)}`)
  t.equal(long, 'a'.repeat(62), 'cut, and no dash at its end')
})

t.test('settings without a group register nothing, and with one what they say', async t => {
  const register = { group: '', name: '', address: '', ports: [] }
  t.equal(declaredBySettings({ node: 'VM1', register }), undefined)
  const full = { group: 'default/payments', name: '', address: '10.0.0.1', ports: ['http=81'] }
  t.same(declaredBySettings({ node: 'VM1', register: full }), {
    group: 'default/payments',
    name: 'vm1',
    address: '10.0.0.1',
    ports: { http: 81 },
  })
})
