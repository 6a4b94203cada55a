import t from 'tap'
import {
  bitString,
  booleanOf,
  bytesOf,
  childrenOf,
  DerError,
  decode,
  encode,
  integer,
  oid,
  oidOf,
  primitive,
  sequence,
  tag,
  tagged,
  taggedBytes,
  taggedChildren,
  wholeBitStringOf,
} from '../../../../mesh/identity/der.ts'

t.test('encodes and decodes what certificates are made of', t => {
  const element = sequence(
    integer(Uint8Array.of(0, 0, 200)),
    oid('1.2.840.10045.4.3.2'),
    bitString(Buffer.from('bits')),
    tagged(3, [primitive(tag.octetString, Buffer.alloc(300, 7))]),
    tagged(6, Buffer.from('uri')),
  )
  const [number, name, bits, outer, uri] = childrenOf(decode(encode(element)), tag.sequence)
  t.same([...bytesOf(number, tag.integer)], [0, 200], 'shortest form that is not negative')
  t.equal(oidOf(name), '1.2.840.10045.4.3.2')
  t.equal(wholeBitStringOf(bits).toString(), 'bits')
  t.equal(bytesOf(taggedChildren(outer, 3)[0], tag.octetString).length, 300)
  t.equal(taggedBytes(uri, 6).toString(), 'uri')
  t.end()
})

t.test('decodes distinguished encoding only', t => {
  const wrong = {
    nothing: [],
    'a tag alone': [0x30],
    'a padded integer': [2, 2, 0, 1],
    'an integer padded twice': [2, 3, 0, 0, 1],
    'a negative integer padded': [2, 2, 0xff, 0x80],
    'a long length that fits a short one': [4, 0x81, 1, 0],
    'a length with a leading zero': [4, 0x82, 0, 1, 0],
    'an indefinite length': [0x30, 0x80, 0, 0],
    'a length that says too much': [4, 5, 0],
    'a length of four gigabytes': [4, 0x84, 0xff, 0xff, 0xff, 0xff],
    'a length of 127 bytes': [4, 0xff, ...Array(127).fill(0)],
    'a trailing byte': [5, 0, 0],
    'a child that is longer than its parent': [0x30, 2, 4, 5],
    'more depth than any certificate has': nested(30),
  }
  for (const [what, bytes] of Object.entries(wrong)) t.throws(() => decode(Uint8Array.from(bytes)), DerError, what)
  t.ok(decode(Uint8Array.from(nested(20))))
  t.end()
})

t.test('says what was expected when it is something else', t => {
  const text = decode(Uint8Array.of(4, 1, 65))
  t.throws(() => childrenOf(text, tag.sequence), DerError)
  t.throws(() => childrenOf(undefined, tag.sequence), DerError)
  t.throws(() => bytesOf(sequence(), tag.sequence), DerError)
  t.throws(() => taggedChildren(text, 4), DerError)
  t.throws(() => taggedBytes(text, 4), DerError)
  for (const bytes of [[], [0x80], [42, 0x86], [42, ...Array(40).fill(1)]]) {
    t.throws(() => oidOf(primitive(tag.oid, Uint8Array.from(bytes))), DerError, `object identifier ${bytes}`)
  }
  for (const bytes of [[], [1], [0xff, 0xff]]) {
    t.throws(() => booleanOf(primitive(tag.boolean, Uint8Array.from(bytes))), DerError, `boolean ${bytes}`)
  }
  for (const bytes of [[], [1, 0x80]]) {
    t.throws(() => wholeBitStringOf(primitive(tag.bitString, Uint8Array.from(bytes))), DerError, `bits ${bytes}`)
  }
  t.end()
})

function nested(depth: number): number[] {
  let bytes: number[] = []
  for (let at = 0; at < depth; at += 1) bytes = [0x30, bytes.length, ...bytes]
  return bytes
}
