import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { askMetadata } from '../../../../agent/control/metadata-service.ts'
import { systemClock } from '../../../../mesh/std/clock.ts'
import { FakeClock } from '../../../fakes/clock.ts'

/** Answers by method, path and the header that each cloud wants, as their pages say; 400 without it. */
const answers: Readonly<Record<string, readonly [string, string]>> = {
  'PUT /latest/api/token': ['x-aws-ec2-metadata-token-ttl-seconds', 'session'],
  'GET /latest/dynamic/instance-identity/rsa2048': ['x-aws-ec2-metadata-token', 'pkcs7\n'],
  'GET /computeMetadata/v1/instance/service-accounts/default/identity?audience=mesh&format=full': [
    'metadata-flavor',
    'a.b.c',
  ],
  'GET /metadata/attested/document?api-version=2021-02-01': ['metadata', '{"encoding":"pkcs7","signature":"c2ln"}'],
}

async function start(t: Test, body?: string): Promise<string> {
  const server = createServer((request, response) => {
    const [header, answer] = answers[`${request.method} ${request.url}`] ?? ['', '']
    const isGood = request.headers[header] !== undefined
    if (header.endsWith('token') && request.headers[header] !== 'session') response.writeHead(401)
    else response.writeHead(isGood ? 200 : 400)
    response.end(body ?? answer)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  return `http://127.0.0.1:${port}`
}

t.test('each cloud is asked as it wants to be asked', async t => {
  const origin = await start(t)
  t.equal(await askMetadata('aws', '', systemClock, origin), 'pkcs7')
  t.equal(await askMetadata('gcp', 'mesh', systemClock, origin), 'a.b.c')
  t.equal(await askMetadata('azure', '', systemClock, origin), 'c2ln')
})

t.test('what is no answer is told', async t => {
  const failed = { code: 'WEFT_SERVER_UNREACHABLE' }
  const origin = await start(t, '{}')
  await t.rejects(askMetadata('gcp', 'other', systemClock, origin), failed, 'another status')
  await t.rejects(askMetadata('azure', '', systemClock, origin), failed, 'no document')
  await t.rejects(askMetadata('gcp', 'mesh', systemClock, await start(t, 'x'.repeat(70_000))), failed, 'too much')
  await t.rejects(askMetadata('gcp', 'mesh', systemClock, 'http://127.0.0.1:9'), failed, 'nobody there')
})

t.test('a service that says nothing is not waited for', async t => {
  const server = createServer(() => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const clock = new FakeClock()
  const asked = askMetadata('gcp', 'mesh', clock, `http://127.0.0.1:${port}`)
  const outcome = t.rejects(asked, { code: 'WEFT_SERVER_UNREACHABLE' })
  await clock.advance(5_000)
  await outcome
})
