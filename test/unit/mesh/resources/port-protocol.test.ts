import t from 'tap'
import type { Protocol } from '../../../../mesh/model/service.ts'
import { declaredProtocol, protocolFromName, undeclaredProtocol } from '../../../../mesh/resources/port-protocol.ts'

t.test("a port's name says its protocol by its first word", async t => {
  const names: readonly (readonly [string, Protocol])[] = [
    ['http', 'http'],
    ['http-admin', 'http'],
    ['HTTP2-x', 'http2'],
    ['grpc', 'grpc'],
    ['grpc-web', 'grpc'],
    ['grpc-web-ui', 'grpc'],
    ['grpc-webhook', 'grpc'],
    ['https', 'tls'],
    ['tls-mail', 'tls'],
    ['tcp', 'tcp'],
    ['tcp-http', 'tcp'],
    ['mongo', 'tcp'],
    ['mysql-main', 'tcp'],
    ['redis', 'tcp'],
    ['udp-syslog', 'tcp'],
    ['web', 'auto'],
    ['httpx', 'auto'],
    ['', 'auto'],
    ['80', 'auto'],
    ['constructor', 'auto'],
    ['auto', 'auto'],
  ]
  for (const [name, protocol] of names) t.equal(protocolFromName(name, 8080), protocol, name)
})

t.test('a declared word holds whatever the port, an unknown one says nothing', async t => {
  t.equal(declaredProtocol('HTTP', 3306), 'http')
  t.equal(declaredProtocol('GRPC-Web', 80), 'grpc')
  t.equal(declaredProtocol('HTTP_PROXY', 80), 'tcp')
  t.equal(declaredProtocol('AMQP', 5672), 'auto')
  t.equal(declaredProtocol('AMQP', 3306), 'tcp')
})

t.test('where servers speak first nothing is found out: what declares nothing is bytes', async t => {
  for (const port of [25, 53, 587, 3306, 5432, 6379, 27017]) t.equal(undeclaredProtocol(port), 'tcp', String(port))
  for (const port of [80, 443, 8080, 9090]) t.equal(undeclaredProtocol(port), 'auto', String(port))
})
