import fc from 'fast-check'
import t from 'tap'
import { formatJoinToken, newJoinSecret, parseJoinToken } from '../../mesh/identity/join-token.ts'
import { identitySni } from '../../mesh/identity/sni.ts'
import { formatSpiffeId, parseSpiffeId, workloadSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import { answerOf } from '../support/fuzz.ts'

const runs = { numRuns: 3000 }

t.test('reads any text as a SPIFFE id or refuses it, and what it read is what was written', t => {
  const pieces = fc.constantFrom(
    'spiffe://',
    'td',
    '/',
    'ns',
    'sa',
    'mesh',
    'agent',
    'server',
    '.',
    '..',
    '%2f',
    ':',
    '\0',
    'A',
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.oneof(pieces, fc.string({ maxLength: 3 }))).map(all => all.join('')),
  )
  let accepted = 0
  const check = (text: string) => {
    const answer = answerOf(() => parseSpiffeId(text))
    if ('error' in answer) return answer.error.code === 'WEFT_SPIFFE_ID'
    accepted += 1
    return formatSpiffeId(answer.value) === text
  }
  fc.assert(fc.property(text, check), runs)
  const shaped = fc.tuple(...Array.from({ length: 3 }, () => fc.stringMatching(/^[a-z0-9]{1,4}[._-]?[a-z0-9]{1,3}$/)))
  fc.assert(
    fc.property(shaped, ([td, ns, sa]) => check(`spiffe://${td}/ns/${ns}/sa/${sa}`)),
    runs,
  )
  t.ok(accepted > 100, 'some were good')
  t.end()
})

t.test('maps different names to different ids and different server names, or to none', t => {
  const label = fc.stringMatching(/^[ans](\.ns|\.n|-s|ns)?$/)
  const names = fc.record({
    td: fc.array(label, { minLength: 1, maxLength: 4 }),
    ns: label,
    sa: fc.array(label, { minLength: 1, maxLength: 5 }),
  })
  const seen = new Map<string, string>()
  fc.assert(
    fc.property(names, ({ td, ns, sa }) => {
      const answer = answerOf(() => workloadSpiffeId(td.join('.'), ns, sa.join('.')))
      if ('error' in answer) return true
      const sni = answerOf(() => identitySni(answer.value))
      if ('error' in sni) return sni.error.code === 'WEFT_SPIFFE_ID'
      const key = sni.value.toLowerCase()
      const other = seen.get(key) ?? answer.value
      seen.set(key, answer.value)
      return other === answer.value
    }),
    { numRuns: 20_000 },
  )
  t.ok(seen.size > 1000, 'many were good')
  t.end()
})

t.test('keeps a service account that is good, whatever is around it', t => {
  const any = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), fc.stringMatching(/^[a-z0-9._-]{1,20}$/))
  fc.assert(
    fc.property(any, any, any, (td, ns, sa) => {
      const answer = answerOf(() => parseSpiffeId(workloadSpiffeId(td, ns, sa)))
      if ('error' in answer) return answer.error.code === 'WEFT_SPIFFE_ID'
      const { value } = answer
      return (
        value.kind === 'workload' && value.trustDomain === td && value.namespace === ns && value.serviceAccount === sa
      )
    }),
    runs,
  )
  t.end()
})

t.test('reads any text as a join token or refuses it', t => {
  const good = formatJoinToken({ node: 'vm-1', secret: newJoinSecret(), rootHash: 'ab'.repeat(32) })
  const json = fc.json().map(text => `weft1_${Buffer.from(text).toString('base64url')}`)
  const changed = fc
    .tuple(fc.nat(good.length), fc.nat(4), fc.string({ maxLength: 4 }))
    .map(([at, cut, put]) => good.slice(0, at) + put + good.slice(at + cut))
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), json, changed), text => {
      const answer = answerOf(() => parseJoinToken(text))
      return 'error' in answer ? answer.error.code === 'WEFT_TOKEN_REFUSED' : formatJoinToken(answer.value) === text
    }),
    runs,
  )
  t.end()
})
