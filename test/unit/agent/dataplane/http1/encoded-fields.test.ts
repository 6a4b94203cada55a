import fc from 'fast-check'
import t from 'tap'
import { EncodedFields } from '../../../../../agent/dataplane/http1/encoded-fields.ts'

const block = Buffer.alloc(64 * 1024)

function write(
  encoded: EncodedFields,
  headers: readonly string[],
  first = 0,
  dropLength = false,
  at = 0,
): string | number {
  const end = encoded.write(block, at, headers, first, dropLength)
  return end < 0 ? end : block.toString('latin1', at, end)
}

t.test('what is remembered writes the same as what is not, whatever came before', async t => {
  const name = fc.constantFrom('x-a', 'x-bcd', 'content-length', 'Connection', 'X-Long-Name', 'te')
  const value = fc.constantFrom('', '1', 'ab', 'a longer value', 'ÿ', 'x'.repeat(700))
  const list = fc.array(fc.tuple(name, value), { maxLength: 6 }).map(fields => fields.flat())
  const head = fc.record({ list, first: fc.constantFrom(0, 2), dropLength: fc.boolean(), at: fc.nat(40) })
  fc.assert(
    fc.property(fc.array(head, { maxLength: 12 }), heads => {
      const encoded = new EncodedFields()
      return heads.every(({ list, first, dropLength, at }) => {
        const headers = [...Array.from({ length: first }, () => ':status'), ...list]
        const got = write(encoded, headers, first, dropLength, at)
        return got === write(new EncodedFields(), headers, first, dropLength, at)
      })
    }),
    { seed: 1, numRuns: 2000 },
  )
  t.pass()
})

t.test('a field that cannot be written spoils nothing for later', async t => {
  const encoded = new EncodedFields()
  t.equal(write(encoded, ['x-a', '1', 'x-b', '2']), 'x-a: 1\r\nx-b: 2\r\n')
  t.equal(write(encoded, ['x-other', '1', 'x-b\n', '2']), -1)
  t.equal(write(encoded, ['x-other', '1', 'x-b', '2']), 'x-other: 1\r\nx-b: 2\r\n')
  t.equal(write(encoded, ['x-other', '1', 'x-b', '3']), 'x-other: 1\r\nx-b: 3\r\n')
})
