import t from 'tap'
import type { TranslatedInstance } from '../../../../registry-adapters/nomad/translate-instance.ts'
import { translateService } from '../../../../registry-adapters/nomad/translate-service.ts'
import { workload } from '../../../support/catalogue.ts'

t.test('one port named after the protocol, whatever labels the jobs give it', t => {
  const { service, problems } = translate([
    member({ id: 'a', portLabel: 'http', port: 20_001, protocol: 'http', servicePort: 80 }),
    member({ id: 'b', portLabel: 'web', port: 20_002, protocol: 'http', servicePort: 80 }),
  ])
  t.same(service?.ports, [{ name: 'http', port: 80, protocol: 'http' }])
  t.same(service?.endpoints, [
    { workload: 'nomad/a', ports: { http: 20_001 } },
    { workload: 'nomad/b', ports: { http: 20_002 } },
  ])
  t.same(problems, [])
  t.end()
})

t.test('callers use the port that is said, else the port inside, else the most frequent real one', t => {
  const port = (...members: TranslatedInstance[]) => translate(members).service?.ports[0]?.port
  t.equal(port(member({ id: 'a', inside: 8080, servicePort: 80 })), 80)
  t.equal(port(member({ id: 'a', inside: 8080 }), member({ id: 'b' })), 8080)
  t.equal(port(member({ id: 'a', port: 2 }), member({ id: 'b', port: 1 }), member({ id: 'c', port: 2 })), 2)
  t.end()
})

t.test('instances that contradict each other are named, and the most frequent word counts', t => {
  const { service, problems } = translate([
    member({ id: 'a', servicePort: 80, protocol: 'http' }),
    member({ id: 'b', servicePort: 80, protocol: 'http' }),
    member({ id: 'c', servicePort: 81, protocol: 'grpc' }),
  ])
  t.same(service?.ports, [{ name: 'http', port: 80, protocol: 'http' }])
  t.same(problems, [
    { item: 'default/web', reason: 'its instances name different ports with weft-port: callers use 80' },
    { item: 'default/web', reason: 'its instances name different protocols: http is used' },
  ])
  t.end()
})

t.test('several ports of one allocation have names and protocols of their own', t => {
  const { service } = translate([
    member({ id: 'a/1', allocId: 'a', portLabel: 'HTTP_main', protocol: 'http', servicePort: 80 }),
    member({ id: 'a/2', allocId: 'a', portLabel: 'admin', servicePort: 81 }),
  ])
  t.same(service?.ports, [
    { name: 'http-main', port: 80, protocol: 'http' },
    { name: 'admin', port: 81, protocol: 'auto' },
  ])
  t.end()
})

t.test('two ports of one number: the first is used and the other named', t => {
  const { service, problems } = translate([
    member({ id: 'a/1', allocId: 'a', portLabel: 'a', servicePort: 80 }),
    member({ id: 'a/2', allocId: 'a', portLabel: 'b', servicePort: 80 }),
  ])
  t.same(
    service?.ports.map(({ name }) => name),
    ['a'],
  )
  t.same(service?.endpoints.length, 1)
  t.match(problems, [{ reason: 'its ports "a" and "b" are both 80: the first is used' }])
  t.end()
})

t.test('nobody listens: no service', t => {
  t.same(translate([member({ id: 'a', port: undefined })]), { problems: [] })
  t.end()
})

function translate(members: readonly TranslatedInstance[]) {
  return translateService('default', 'web', members)
}

function member(given: Partial<TranslatedInstance> & { readonly id: string }): TranslatedInstance {
  const { id, ...fields } = given
  return {
    workload: workload({ id: `nomad/${id}` }),
    allocId: id,
    port: 20_000,
    portLabel: 'http',
    inside: undefined,
    servicePort: undefined,
    protocol: undefined,
    ...fields,
  }
}
