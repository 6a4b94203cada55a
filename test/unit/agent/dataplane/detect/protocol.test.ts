import t from 'tap'
import { detectProtocol } from '../../../../../agent/dataplane/detect/protocol.ts'
import { isServerFirst } from '../../../../../agent/dataplane/detect/server-first.ts'
import { clientPreface } from '../../../../../agent/dataplane/h2/frames.ts'

const of = (text: string) => detectProtocol(Buffer.from(text, 'latin1'))

t.test('tells what clients speak', async t => {
  const cases: Readonly<Record<string, string>> = {
    'GET / HTTP/1.1\r\n': 'http1',
    'M-SEARCH * HTTP/1.1\r\n': 'http1',
    'OPTIONS *': 'http1',
    '\r\nPOST /x': 'http1',
    '\r\n\n\r\nPOST /x': 'http1',
    ['\r\n'.repeat(5000)]: 'http1',
    'GET http://other/x HTTP/1.1\r\n': 'http1',
    'CONNECT 10.0.0.1:80 HTTP/1.1\r\n': 'http1',
    [clientPreface]: 'http2',
    [`${clientPreface}\0\0\0`]: 'http2',
    '\x16\x03\x01\x02\x00\x01': 'tls',
    '\x16\x03\x03\x00\x05\x01': 'tls',
    'SSH-2.0-OpenSSH_9.2\r\n': 'other',
    'EHLO mail.example\r\n': 'other',
    'get key\r\n': 'other',
    'set key 0 0 1\r\n': 'other',
    'stats\r\n': 'other',
    '*1\r\n$4\r\nPING\r\n': 'other',
    '\0\0\0\x08\x04\xd2\x16\x2f': 'other',
    '\x80\x2e\x01\x03': 'other',
    '\x15\x03\x01\x00\x02': 'other',
    '\x16\x03\x01\x00\x05\x02': 'other',
    '\x16\x03\x01\xff\xff\x01': 'other',
    '\x16\x02\x00': 'other',
    'GET  /': 'other',
    ' GET /': 'other',
    'GET\t/': 'other',
    'PRI * HTTP/2.1\r\n': 'http1',
    ['A'.repeat(40)]: 'other',
    [`GET ${'a'.repeat(9000)}`]: 'other',
  }
  for (const [text, expected] of Object.entries(cases)) t.equal(of(text), expected, JSON.stringify(text.slice(0, 40)))
})

t.test('waits while the bytes could still become several things', async t => {
  for (const text of [
    '',
    'G',
    'GET',
    'GET ',
    'P',
    'PRI',
    clientPreface.slice(0, 23),
    '\x16',
    '\x16\x03\x01\x02',
    '\r',
  ]) {
    t.equal(of(text), 'more', JSON.stringify(text))
  }
  t.equal(of('GET http://other/x HTTP/1.'), 'more', 'a request line that is not over')
})

t.test('never changes its mind: what is told by few bytes is told by more', async t => {
  for (const text of [
    'GET /a HTTP/1.1\r\n\r\n',
    `${clientPreface}xyz`,
    '\x16\x03\x01\x02\x00\x01\x00',
    'SSH-2.0-x\r\n',
    '\0\0\0',
  ]) {
    const answers = Array.from(text, (_, at) => of(text.slice(0, at + 1))).filter(answer => answer !== 'more')
    t.equal(new Set(answers).size, 1, JSON.stringify(text))
  }
})

t.test('knows the ports where the server speaks first', async t => {
  for (const port of [25, 587, 3306, 4444, 5432, 6379, 9300, 11211, 143, 110, 21, 22])
    t.equal(isServerFirst(port), true)
  for (const port of [80, 443, 8080, 9090]) t.equal(isServerFirst(port), false)
})
