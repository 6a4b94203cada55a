import fc from 'fast-check'
import t from 'tap'
import { createLineReader } from '../../../registry-adapters/lines.ts'

t.test('lines are the same however the text is cut into pieces', async t => {
  const line = fc.string({ unit: 'grapheme' }).map(text => text.replaceAll('\n', ''))
  const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 })
  fc.assert(
    fc.property(fc.array(line), pieces, (lines, sizes) => {
      const bytes = Buffer.from(lines.map(one => `${one}\n`).join(''))
      const reader = createLineReader(10_000)
      const read: string[] = []
      for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
        const size = sizes[turn % sizes.length] ?? 1
        read.push(...(reader.push(bytes.subarray(at, at + size)) ?? ['too long']))
        at += size
      }
      t.strictSame(read, lines)
    }),
    { numRuns: 200 },
  )
})

t.test('a line over the limit is not kept, whether or not its end comes', async t => {
  t.equal(createLineReader(4).push(Buffer.from('12345\n')), undefined)
  const reader = createLineReader(4)
  t.same(reader.push(Buffer.from('1234\n12')), ['1234'])
  t.same(reader.push(Buffer.from('34')), [])
  t.equal(reader.push(Buffer.from('5')), undefined)
})

t.test('the rest after the last end of line is no line yet', async t => {
  const reader = createLineReader(100)
  t.same(reader.push(Buffer.from('a\n\nb')), ['a', ''])
  t.same(reader.push(Buffer.from('c\n')), ['bc'])
})
