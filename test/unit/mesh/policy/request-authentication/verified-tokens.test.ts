import t from 'tap'
import { createVerifiedTokens } from '../../../../../mesh/policy/request-authentication/verified-tokens.ts'

t.test('keeps no more answers than it may, and gives up the least used', t => {
  const tokens = createVerifiedTokens<number>(2, 100)
  tokens.set('a', 1)
  tokens.set('b', 2)
  t.equal(tokens.get('a'), 1)
  tokens.set('c', 3)
  t.same([tokens.get('a'), tokens.get('b'), tokens.get('c')], [1, undefined, 3])
  t.end()
})

t.test('keeps no more text than it may', t => {
  const tokens = createVerifiedTokens<number>(10, 10)
  tokens.set('aaaa', 1)
  tokens.set('bbbb', 2)
  tokens.set('aaaa', 3)
  t.same([tokens.get('aaaa'), tokens.get('bbbb')], [3, 2], 'the same token counts once')
  tokens.delete('bbbb')
  tokens.set('cccccc', 4)
  t.same([tokens.get('aaaa'), tokens.get('cccccc')], [3, 4])
  tokens.set('x'.repeat(11), 5)
  t.same([tokens.get('aaaa'), tokens.get('cccccc'), tokens.get('x'.repeat(11))], [undefined, undefined, undefined])
  t.end()
})
