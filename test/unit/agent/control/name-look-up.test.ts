import t from 'tap'
import { createNameLookUp } from '../../../../agent/control/name-look-up.ts'
import type { Found } from '../../../../agent/dns/look-up.ts'

const virtualIpRanges = () => ['240.240.0.0/16']

t.test('the same name is looked up once for all who ask meanwhile, and again later', async t => {
  const waiting: ((found: Found) => void)[] = []
  const names = createNameLookUp({ lookUp: () => new Promise(resolve => waiting.push(resolve)), virtualIpRanges })
  const both = [names.find('a.example'), names.find('a.example')]
  t.equal(waiting.length, 1)
  waiting[0]?.({ addresses: ['192.0.2.1'], ttlMs: 5000 })
  const answer = { name: 'a.example', addresses: ['192.0.2.1'], ttlMs: 5000, reason: '' }
  t.same(await Promise.all(both), [answer, answer])
  void names.find('a.example')
  t.equal(waiting.length, 2)
})

t.test('addresses that no endpoint can have are no answer', async t => {
  const said = (addresses: readonly string[]) =>
    createNameLookUp({ lookUp: async () => ({ addresses, ttlMs: 1 }), virtualIpRanges }).find('a.example')
  t.match(await said(['127.0.0.1', '192.0.2.1', '169.254.169.254']), { addresses: ['192.0.2.1'] })
  t.match(await said(['240.240.0.1']), { addresses: [], reason: /no address that an endpoint can have/ })
})

t.test('what fails is an answer with its reason, also when the agent stops', async t => {
  const failing = createNameLookUp({ lookUp: () => Promise.reject(new Error('ENOTFOUND')), virtualIpRanges })
  t.match(await failing.find('a.example'), { addresses: [], reason: /ENOTFOUND/ })
  const lookUp = (_name: string, signal: AbortSignal) =>
    new Promise<Found>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  const stopped = createNameLookUp({ lookUp, virtualIpRanges })
  const answer = stopped.find('a.example')
  stopped.stop()
  t.match(await answer, { addresses: [] })
})
