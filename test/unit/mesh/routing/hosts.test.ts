import fc from 'fast-check'
import t from 'tap'
import {
  bySpecificity,
  fullHost,
  hostsForNamespace,
  hostsOverlap,
  intersectHosts,
  isSubsetOf,
  mostSpecificHost,
} from '../../../../mesh/routing/hosts.ts'
import { differences } from '../../../support/differences.ts'
import { type HostMatchCase, hostMatchCases } from '../../../support/istio-recordings.ts'

/** Our answer in the recording's words. */
function answer(entry: HostMatchCase): Partial<HostMatchCase> {
  switch (entry.op) {
    case 'pair':
      return {
        matches: hostsOverlap(entry.a, entry.b),
        aSubsetOfB: isSubsetOf(entry.a, entry.b),
        bSubsetOfA: isSubsetOf(entry.b, entry.a),
        aMoreSpecific: bySpecificity(entry.a, entry.b) < 0,
      }
    case 'mostSpecific':
      return { match: mostSpecificHost(entry.list, entry.host) ?? null }
    case 'sort':
      return { sorted: entry.list.toSorted(bySpecificity) }
    case 'intersection':
      return { intersection: intersectHosts(entry.left, entry.right) }
    case 'forNamespace':
      return { names: hostsForNamespace(entry.list, entry.namespace) }
    case 'shortname':
      return { fqdn: fullHost(entry.host, entry.namespace, entry.domain === '' ? '' : `svc.${entry.domain}`) }
  }
}

t.test('host names compare, sort, meet and grow full as recorded of Istio', async t => {
  const cases = hostMatchCases()
  const wrong = cases.filter(entry => {
    const ours = { ...entry, ...answer(entry) }
    return JSON.stringify(ours) !== JSON.stringify(entry)
  })
  t.comment(`hostmatch: ${cases.length - wrong.length} of ${cases.length} agree`)
  t.equal(cases.length, 574)
  t.same(wrong.map(({ id }) => id).toSorted(), differences('Host names', 'host'))
})

const label = fc.constantFrom('a', 'b', 'shop', 'x-y')
const plain = fc.array(label, { minLength: 1, maxLength: 3 }).map(labels => labels.join('.'))
const host = fc.oneof(
  plain,
  plain.map(name => `*.${name}`),
  plain.map(name => `*${name}`),
  fc.constant('*'),
)

t.test('what fits a host fits every host that covers it', async () => {
  fc.assert(
    fc.property(plain, host, host, (name, narrow, wide) => {
      fc.pre(isSubsetOf(name, narrow) && isSubsetOf(narrow, wide))
      return isSubsetOf(name, wide)
    }),
  )
})

t.test('hosts that a name fits overlap, and overlapping is mutual', async () => {
  fc.assert(
    fc.property(plain, host, host, (name, a, b) => {
      if (hostsOverlap(a, b) !== hostsOverlap(b, a)) return false
      return !(isSubsetOf(name, a) && isSubsetOf(name, b)) || hostsOverlap(a, b)
    }),
  )
})

t.test('the order by specificity is total, and a narrower host never stands behind', async () => {
  fc.assert(
    fc.property(host, host, host, (a, b, c) => {
      if (Math.sign(bySpecificity(a, b)) !== -Math.sign(bySpecificity(b, a))) return false
      if (bySpecificity(a, b) <= 0 && bySpecificity(b, c) <= 0 && bySpecificity(a, c) > 0) return false
      return a === b || !isSubsetOf(a, b) || bySpecificity(a, b) < 0
    }),
  )
})

t.test('the most specific host is one of the list, and the first of those that cover when sorted', async () => {
  fc.assert(
    fc.property(fc.array(host), host, (list, wanted) => {
      const covering = list.filter(candidate => isSubsetOf(wanted, candidate)).toSorted(bySpecificity)
      return mostSpecificHost(list, wanted) === covering[0]
    }),
  )
})
