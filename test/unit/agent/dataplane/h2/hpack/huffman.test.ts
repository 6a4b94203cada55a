import t from 'tap'
import { huffmanDecode, huffmanEncode, huffmanLength } from '../../../../../../agent/dataplane/h2/hpack/huffman.ts'

function encode(text: string): Buffer {
  const into = Buffer.alloc(huffmanLength(text))
  t.equal(huffmanEncode(text, into, 0), into.length)
  return into
}

function decode(bytes: Buffer, room = 1024): string | undefined {
  const into = Buffer.alloc(room)
  const size = huffmanDecode(bytes, 0, bytes.length, into)
  return size < 0 ? undefined : into.toString('latin1', 0, size)
}

// RFC 7541 appendix C.4 and C.6
const vectors: Readonly<Record<string, string>> = {
  'www.example.com': 'f1e3c2e5f23a6ba0ab90f4ff',
  'no-cache': 'a8eb10649cbf',
  'custom-key': '25a849e95ba97d7f',
  'custom-value': '25a849e95bb8e8b4bf',
  '302': '6402',
  private: 'aec3771a4b',
  'Mon, 21 Oct 2013 20:13:21 GMT': 'd07abe941054d444a8200595040b8166e082a62d1bff',
  'https://www.example.com': '9d29ad171863c78f0b97c8e9ae82ae43d3',
}

t.test('encodes and decodes the examples of the RFC', async t => {
  for (const [text, hex] of Object.entries(vectors)) {
    t.equal(encode(text).toString('hex'), hex, text)
    t.equal(decode(Buffer.from(hex, 'hex')), text, text)
  }
})

t.test('gives every octet back', async t => {
  for (let octet = 0; octet < 256; octet += 1) {
    const text = String.fromCharCode(octet).repeat(3)
    t.equal(decode(encode(text)), text, `octet ${octet}`)
  }
})

t.test('takes an empty string', async t => {
  t.equal(huffmanLength(''), 0)
  t.equal(decode(Buffer.alloc(0)), '')
})

t.test('refuses padding that is too long, not all ones, or an EOS symbol', async t => {
  t.equal(decode(Buffer.from('f1e3c2e5f23a6ba0ab90f4ffff', 'hex')), undefined, 'a whole octet of padding')
  t.equal(decode(Buffer.from('08', 'hex')), undefined, 'padding of zeros')
  t.equal(decode(Buffer.from('ffffffff', 'hex')), undefined, 'EOS')
})

t.test('does not write beyond the room it is given', async t => {
  t.equal(decode(encode('0000'), 4), '0000')
  t.equal(decode(encode('00000'), 4), undefined)
})
