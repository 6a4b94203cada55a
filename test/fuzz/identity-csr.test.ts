import fc from 'fast-check'
import t from 'tap'
import { createCsr, parseCsr } from '../../mesh/identity/csr.ts'
import { generateKeys } from '../../mesh/identity/keys.ts'
import { answerOf, asn1Bytes, mutationsOf } from '../support/fuzz.ts'

const keys = generateKeys()
const good = createCsr(keys)

t.test('refuses every changed certificate request with one kind of error', t => {
  fc.assert(
    fc.property(mutationsOf(good), bytes => {
      const answer = answerOf(() => parseCsr(bytes))
      // Changes may undo each other; nothing else can still be signed by the key.
      return 'error' in answer ? answer.error.code === 'WEFT_CSR_REFUSED' : bytes.equals(good)
    }),
    { numRuns: 5000 },
  )
  t.end()
})

t.test('refuses bytes of any kind with one kind of error', t => {
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 9000 }), asn1Bytes())
  fc.assert(
    fc.property(bytes, bytes => {
      const answer = answerOf(() => parseCsr(bytes))
      return 'error' in answer && answer.error.code === 'WEFT_CSR_REFUSED'
    }),
    { numRuns: 3000 },
  )
  t.end()
})
