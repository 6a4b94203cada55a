import t from 'tap'
import { readInteger, writeInteger } from '../../../../../../agent/dataplane/h2/hpack/integer.ts'

function read(bytes: readonly number[], prefixBits: number) {
  const cursor = { at: 0, failed: false }
  const value = readInteger(Buffer.from(bytes), bytes.length, prefixBits, cursor)
  return { value, ...cursor }
}

t.test('reads the examples of RFC 7541 appendix C.1', async t => {
  t.match(read([0b11101010], 5), { value: 10, at: 1, failed: false })
  t.match(read([0b11111111, 0b10011010, 0b00001010], 5), { value: 1337, at: 3, failed: false })
  t.match(read([0b00101010], 8), { value: 42, at: 1, failed: false })
})

t.test('reads back what it wrote, at every prefix', async t => {
  for (let prefix = 1; prefix <= 8; prefix += 1) {
    for (const value of [0, 1, 2 ** prefix - 2, 2 ** prefix - 1, 2 ** prefix, 127, 128, 16_383, 16_384, 2 ** 24]) {
      const into = Buffer.alloc(8)
      const end = writeInteger(into, 0, 0, prefix, value)
      t.match(read([...into.subarray(0, end)], prefix), { value, at: end, failed: false }, `${value} in ${prefix} bits`)
    }
  }
})

t.test('fails on a number that is cut off, too large, or endless', async t => {
  t.equal(read([], 5).failed, true)
  t.equal(read([0x1f], 5).failed, true)
  t.equal(read([0x1f, 0x80], 5).failed, true)
  t.equal(read([0x1f, 0xff, 0xff, 0xff, 0xff, 0x0f], 5).failed, true)
  t.equal(read([0x1f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 5).failed, true)
})
