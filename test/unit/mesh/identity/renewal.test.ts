import t from 'tap'
import { renewAt } from '../../../../mesh/identity/renewal.ts'

const day = 24 * 3_600_000

t.test('renews at half of the life, give or take a tenth of it', t => {
  const validity = { notBefore: 1_000_000, notAfter: 1_000_000 + day }
  t.equal(
    renewAt(validity, () => 0.5),
    1_000_000 + day / 2,
  )
  t.equal(
    renewAt(validity, () => 0),
    1_000_000 + day * 0.45,
  )
  const last = renewAt(validity, () => 1 - Number.EPSILON)
  t.ok(last > 1_000_000 + day * 0.549 && last <= 1_000_000 + day * 0.55, 'at least 10.8 hours of 24 are left')
  t.end()
})
