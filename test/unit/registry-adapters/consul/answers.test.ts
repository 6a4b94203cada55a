import t from 'tap'
import { parseInstances, parseNodeName, parseServiceNames } from '../../../../registry-adapters/consul/answers.ts'
import { translateService } from '../../../../registry-adapters/consul/translate-service.ts'
import { plainContext } from '../../../support/consul-instance.ts'

const good = {
  Node: { Node: 'vm-1', Address: '10.99.0.1', Datacenter: 'dc1' },
  Service: { ID: 'api-1', Service: 'api', Address: '10.77.0.1', Port: 80 },
  Checks: [],
}
const translate = (service: object, rest: object = {}) =>
  translateService(
    'api',
    parseInstances([{ ...good, Service: { ...good.Service, ...service }, ...rest }]),
    plainContext,
  )

t.test('what is of another type leaves the instance out, by name, and never stands for nothing', async t => {
  const wrong: [object, RegExp][] = [
    [{ Port: '80' }, /port NaN/],
    [{ Port: {} }, /port NaN/],
    [{ Port: true }, /port NaN/],
    [{ Address: 7 }, /address "7"/],
    [{ Address: ['10.77.0.1'] }, /is not an IP address/],
    [{ Kind: 1 }, /kind "1"/],
    [{ Meta: { 'weft-port': '80', 'weft-namespace': '' } }, /namespace ""/],
  ]
  for (const [service, reason] of wrong) {
    const { workloads, problems } = translate(service)
    t.same(workloads, [], String(reason))
    t.match(problems[0], { item: 'vm-1/api-1', reason })
  }
})

t.test('what is missing or null is what Consul leaves out', async t => {
  for (const nothing of [undefined, null]) {
    const { workloads, services, problems } = translate(
      { Address: nothing, Tags: nothing, Meta: nothing, Weights: nothing, TaggedAddresses: nothing, Kind: nothing },
      { Checks: nothing },
    )
    t.match(workloads[0], { address: '10.99.0.1', weight: 1, health: 'healthy' })
    t.equal(services[0]?.endpoints.length, 1)
    t.same(problems, [])
  }
})

t.test('tags, meta and weights of another type are left out alone', async t => {
  const { workloads, problems } = translate({
    Tags: [1, 'v1', null],
    Meta: { a: 1, b: 'x' },
    Weights: { Passing: 'x' },
  })
  t.match(workloads[0], { weight: 1, labels: { app: 'api', b: 'x', 'consul.tag/v1': 'true' } })
  t.same(problems, [])
})

t.test('an instance whose checks cannot be read does not pass for healthy', async t => {
  for (const Checks of ['none', {}, 0]) {
    t.throws(() => parseInstances([{ ...good, Checks }]), { code: 'WEFT_REGISTRY_UNAVAILABLE' })
  }
  t.equal(translate({}, { Checks: ['x'] }).workloads[0]?.health, 'unhealthy', 'nor one with a check of another shape')
})

t.test('names that JavaScript keeps for itself are names like any other', async t => {
  const names = parseServiceNames(JSON.parse('{"__proto__": ["a"], "constructor": []}'))
  t.same([...names.keys()], ['__proto__', 'constructor'])
})

t.test('an agent that does not say its name is refused', async t => {
  t.equal(parseNodeName({ Config: { NodeName: 'vm-1' } }), 'vm-1')
  for (const body of [undefined, {}, { Config: {} }, { Config: { NodeName: '' } }]) {
    t.throws(() => parseNodeName(body), { code: 'WEFT_REGISTRY_UNAVAILABLE' })
  }
})
