import t from 'tap'
import { errorCatalogue } from '../../../../mesh/std/error-catalogue.ts'
import { describeError, hasCode, MeshError } from '../../../../mesh/std/errors.ts'

t.test('an error has the advice of its code, or its own', async t => {
  t.equal(new MeshError('WEFT_STORE', 'the disk is full').next, errorCatalogue.WEFT_STORE.next)
  t.equal(new MeshError('WEFT_STORE', 'the disk is full', { next: 'make room' }).next, 'make room')
})

t.test('a code is found in the causes too', async t => {
  const inner = new MeshError('WEFT_SERVER_UNTRUSTED', 'not the root that was named')
  const outer = new Error('joining failed', { cause: new Error('handshake', { cause: inner }) })
  t.ok(hasCode(outer, 'WEFT_SERVER_UNTRUSTED'))
  t.notOk(hasCode(outer, 'WEFT_STORE'))
  t.notOk(hasCode('text', 'WEFT_STORE'))
})

t.test('anything thrown is described in one line with its causes, nothing twice', async t => {
  const error = new Error('could not read', { cause: new Error('could not read', { cause: new Error('EACCES') }) })
  t.equal(describeError(error), 'could not read: EACCES')
  t.equal(describeError('just text'), 'just text')
})

t.test('messages and advice of the catalogue are sentences as we write them', async t => {
  for (const [code, { when, next }] of Object.entries(errorCatalogue)) {
    t.match(code, /^WEFT_[A-Z_]+$/)
    t.match(when, /^[A-Z].*\.$/s, code)
    t.match(next, /^[^A-Z].*[^.]$/, code)
  }
})
