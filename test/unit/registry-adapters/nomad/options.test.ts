import t from 'tap'
import { silentLog } from '../../../../mesh/std/log.ts'
import { createNomadAdapter } from '../../../../registry-adapters/nomad/adapter.ts'
import { parseNamespaceRule } from '../../../../registry-adapters/nomad/namespaces.ts'
import { checkAdapterOptions, type NomadAdapterOptions } from '../../../../registry-adapters/nomad/options.ts'
import { FakeClock } from '../../../fakes/clock.ts'

const client = { address: 'http://127.0.0.1:4646' }

t.test('a rule of namespaces says which are read and what they are in the mesh', t => {
  const all = parseNamespaceRule([])
  t.equal(all.read, '*')
  t.equal(all.meshNamespaceOf('payments'), 'payments')
  const some = parseNamespaceRule(['default', 'payments = shop'])
  t.same(some.read, ['default', 'payments'])
  t.equal(some.meshNamespaceOf('payments'), 'shop')
  t.equal(some.meshNamespaceOf('default'), 'default')
  const others = parseNamespaceRule(['payments=shop', 'default', '*=rest'])
  t.equal(others.read, '*')
  t.same(['payments', 'default', 'x'].map(others.meshNamespaceOf), ['shop', 'default', 'rest'])
  t.end()
})

t.test('options that cannot work are refused by name before anything is opened', t => {
  const wrong: [Partial<NomadAdapterOptions>, string][] = [
    [{ namespaces: [''] }, 'namespaces'],
    [{ namespaces: ['a=b=c'] }, 'namespaces'],
    [{ namespaces: ['a', 'a'] }, 'namespaces'],
    [{ namespaces: ['*=Not A Label'] }, 'namespaces'],
    [{ maxOpenQueries: 4 }, 'maxOpenQueries'],
    [{ maxOpenQueries: 91 }, 'maxOpenQueries'],
    [{ checkPeriodSeconds: 0.9 }, 'checkPeriodSeconds'],
    [{ serviceAccounts: 'jobs' }, 'serviceAccounts'],
    [{ client: { address: 'nomad:4646' } }, 'address'],
    [{ client: { ...client, token: 'a', tokenFile: 'b' } }, 'tokenFile'],
  ]
  const deps = { name: 'nomad', clock: new FakeClock(), random: () => 0, log: silentLog, report() {} }
  for (const [options, option] of wrong) {
    t.throws(() => createNomadAdapter(deps, { client, ...options }), {
      code: 'WEFT_CONFIG_INVALID',
      fields: { option },
    })
  }
  t.end()
})

t.test('open queries are shared out, and never more than allowed', t => {
  for (const maxOpenQueries of [5, 6, 16, 90]) {
    const { checkQueries, readQueries } = checkAdapterOptions({ client, maxOpenQueries })
    t.ok(checkQueries >= 1 && readQueries >= 1)
    t.equal(checkQueries + readQueries + 3, maxOpenQueries)
  }
  t.end()
})
