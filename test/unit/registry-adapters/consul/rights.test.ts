import t from 'tap'
import { silentLog } from '../../../../mesh/std/log.ts'
import { createRights } from '../../../../registry-adapters/consul/rights.ts'
import { consulNode } from '../../../support/consul-instance.ts'

const lost = { code: 'WEFT_REGISTRY_UNAVAILABLE', next: /service_prefix/ }

t.test('Consul’s own service must stay once it was seen, and something must always be there', async t => {
  const rights = createRights(silentLog)
  t.throws(() => rights.checkNames(new Map()), lost)
  rights.checkOwnInstances([])
  rights.checkNames(new Map([['consul', []]]))
  t.throws(() => rights.checkNames(new Map([['api', []]])), lost)
  t.throws(() => rights.checkOwnInstances([]), lost)
})

t.test('a token that may read only some services is warned of once and held to not losing all', async t => {
  const warnings: string[] = []
  const rights = createRights({ ...silentLog, warn: message => void warnings.push(message) })
  rights.checkNames(new Map([['api', []]]))
  rights.checkNames(new Map([['web', []]]))
  t.equal(warnings.length, 1)
  t.throws(() => rights.checkNames(new Map()), lost)
})

t.test('there is always a node', async t => {
  const rights = createRights(silentLog)
  t.throws(() => rights.checkNodes([]), lost)
  rights.checkNodes([consulNode()])
})

t.test('a namespace of Enterprise may be empty at first, and not all at once later', async t => {
  const warnings: string[] = []
  const rights = createRights({ ...silentLog, warn: message => void warnings.push(message) }, true)
  rights.checkNames(new Map())
  rights.checkNodes([])
  rights.checkNames(new Map([['api', []]]))
  t.throws(() => rights.checkNames(new Map()), lost)
  t.same(warnings, [], 'consul itself is never there')
})
