import t from 'tap'
import { octetsOf, textOf } from '../../../../mesh/std/octets.ts'

t.test('text becomes its UTF-8 octets, one unit each, and back', async t => {
  t.equal(octetsOf('abc'), 'abc')
  t.equal(octetsOf('é'), '\u00c3\u00a9')
  for (const text of ['', 'abc', 'é', '😀 a']) t.equal(textOf(octetsOf(text)), text)
})

t.test('octets that are no UTF-8 are marked as such', async t => {
  t.equal(textOf('a\u00ff'), 'a\ufffd')
})
