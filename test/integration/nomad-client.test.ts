import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { encodePrivateKey, generateKeys, type KeyPair } from '../../mesh/identity/keys.ts'
import { systemClock } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import { createNomadClient, type NomadClient } from '../../registry-adapters/nomad/client/client.ts'
import { failureOf } from '../../registry-adapters/nomad/client/errors.ts'
import type { NomadOptions } from '../../registry-adapters/nomad/client/options.ts'
import { FakeNomad, type FakeNomadOptions } from '../fakes/nomad.ts'
import { both, craftCertificate, extensions, named } from '../support/certificates.ts'
import { until } from '../support/eventually.ts'

const { signal } = new AbortController()
const everything = { topics: ['Service', 'Allocation', 'Node'], namespace: '*' }

t.test('a catalogue is followed: list, subscribe, hold, be woken', async t => {
  const { fake, client } = await start(t)
  fake.cluster.addNode({ name: 'a', address: '10.0.0.1' })
  run(fake, 'web')
  const controller = new AbortController()
  const indexes: number[] = []
  const following = (async () => {
    for await (const { index } of client.events(everything, controller.signal)) indexes.push(index)
  })()
  await until('the stream is established', () => indexes[0] === 0)
  const before = await client.get('/v1/services', { namespace: '*' }, signal)
  t.match(before.body, [{ Namespace: 'default', Services: [{ ServiceName: 'web' }] }])
  const held = client.get('/v1/services', { namespace: '*', index: before.index, waitMs: 60_000 }, signal)
  await until('it is held', () => fake.open === 2)
  run(fake, 'api')
  const after = await held
  t.ok(after.index > before.index)
  t.match(after.body, [{ Services: [{ ServiceName: 'api' }, { ServiceName: 'web' }] }])
  await until('the stream has it too', () => indexes.includes(fake.state.index))
  const timedOut = await client.get('/v1/services', { index: fake.state.index, waitMs: 20 }, signal)
  t.equal(timedOut.index, after.index, 'a wait that is over gives the same index again')
  controller.abort()
  await following
  await until('nothing is open', () => fake.open === 0)
})

t.test('a large list comes in pages, compressed', async t => {
  const { fake, client } = await start(t)
  fake.cluster.addNode({ name: 'a', address: '10.0.0.1' })
  fake.cluster.runJob({ id: 'many', groups: [{ name: 'g', count: 60, ports: { http: {} } }] })
  const query = { namespace: '*', perPage: 25, params: { resources: 'true', task_states: 'true' } }
  const list = await client.list('/v1/allocations', query, signal)
  t.equal(new Set(list.body.map(one => Object(one).ID)).size, 60)
  t.same(
    fake.requests.map(one => one.gzip),
    [true, true, true],
  )
})

t.test('the API inside a task is read over its socket', async t => {
  const socketPath = join(folderOf(t), 'api.sock')
  const { fake, client } = await start(t, { socketPath }, { token: 'eyJ.workload.identity' })
  fake.cluster.addNode({ name: 'a', address: '10.0.0.1' })
  run(fake, 'web')
  t.match((await client.get('/v1/service/web', {}, signal)).body, [{ ServiceName: 'web' }])
  for await (const batch of client.events(everything, signal)) {
    t.same(batch, { index: 0, events: [] })
    break
  }
  t.same(
    fake.requests.map(one => one.token),
    ['eyJ.workload.identity', 'eyJ.workload.identity'],
  )
  await until('the stream is closed', () => fake.streams.open === 0)
  await fake.stop()
  const error = await client.get('/v1/services', {}, signal).catch(each => each)
  t.equal(failureOf(error), 'unreachable', 'it is gone while the agent restarts')
})

t.test('mutual TLS as Nomad has it: certificate names are roles, the client shows its own', async t => {
  const { fake, client, files } = await startTls(t, { serverName: 'server.global.nomad' })
  t.same((await client.get('/v1/services', {}, signal)).body, [])
  for await (const batch of client.events(everything, signal)) {
    t.same(batch, { index: 0, events: [] })
    break
  }
  const failing = async (tls: NonNullable<NomadOptions['tls']>) => {
    const other = createNomadClient({ address: fake.address, tls }, { clock: systemClock })
    const error = await other.get('/v1/services', {}, signal).catch(each => each)
    other.close()
    t.equal(failureOf(error), 'unreachable')
    return describeError(error)
  }
  t.match(await failing({ ...files, serverName: 'client.global.nomad' }), /client.global.nomad. is not in the cert/)
  t.match(await failing({ ...files }), /does not match certificate|is not in the cert/)
  t.match(await failing({ ca: files.ca, serverName: 'server.global.nomad' }), /certificate required|alert/)
  const { ca: _, ...withoutCa } = files
  t.match(await failing({ ...withoutCa, serverName: 'server.global.nomad' }), /unable to verify|self.signed/)
})

t.test('replaced TLS files are used after a failure, and what is under way goes on', async t => {
  const { fake, client, files, issue } = await startTls(t, { serverName: 'server.global.nomad' })
  fake.cluster.addNode({ name: 'a', address: '10.0.0.1' })
  const { index } = await client.get('/v1/nodes', {}, signal)
  const held = client.get('/v1/nodes', { index, waitMs: 60_000 }, signal)
  await until('it is held', () => fake.open === 1)
  const renewed = issue('client.global.nomad')
  writeFileSync(files.cert, renewed.cert)
  writeFileSync(files.key, renewed.key)
  fake.fault = ({ index: asked }) => (asked === 0 ? { kind: 'status', status: 500 } : undefined)
  t.equal(failureOf(await client.get('/v1/nodes', {}, signal).catch(error => error)), 'server')
  fake.fault = () => undefined
  await client.get('/v1/nodes', {}, signal)
  const { fingerprint256 } = new X509Certificate(renewed.cert)
  t.same(fake.requests.filter(one => one.certificate === fingerprint256).length, 1)
  t.equal(fake.requests.at(-1)?.certificate, fingerprint256)
  fake.cluster.setEligible('a', false)
  t.match((await held).body, [{ SchedulingEligibility: 'ineligible' }])
})

t.test('a server that is killed and starts again: held queries fail, streams end, and both can begin anew', async t => {
  const { fake, client } = await start(t)
  fake.cluster.addNode({ name: 'a', address: '10.0.0.1' })
  const { index } = await client.get('/v1/nodes', {}, signal)
  const held = client.get('/v1/nodes', { index }, signal).then(() => 'read', failureOf)
  let beats = 0
  const following = (async () => {
    for await (const _ of client.events(everything, signal)) beats += 1
  })().then(() => 'ended', failureOf)
  await until('both are open', () => fake.open === 2 && beats > 0)
  fake.cut()
  t.equal(await held, 'unreachable')
  t.match(await following, /^(ended|unreachable)$/)
  t.match((await client.get('/v1/nodes', {}, signal)).body, [{ Name: 'a' }])
  for await (const batch of client.events(everything, signal)) {
    t.same(batch, { index: 0, events: [] })
    break
  }
})

async function start(t: Test, fakeOptions: FakeNomadOptions = {}, options: Partial<NomadOptions> = {}) {
  const fake = await FakeNomad.start(fakeOptions)
  const client: NomadClient = createNomadClient({ address: fake.address, ...options }, { clock: systemClock })
  t.teardown(async () => {
    client.close()
    await fake.stop().catch(() => {})
  })
  return { fake, client }
}

/** A server that wants a certificate of the same authority from its clients, as `verify_https_client` makes it. */
async function startTls(t: Test, tls: { readonly serverName: string }) {
  const folder = folderOf(t)
  const authority = generateKeys()
  const ca = selfSigned(authority)
  const issue = (name: string) => issueFor(name, authority)
  const server = issue('server.global.nomad')
  const own = issue('client.global.nomad')
  const files = { ca: join(folder, 'ca.pem'), cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  writeFileSync(files.ca, ca)
  writeFileSync(files.cert, own.cert)
  writeFileSync(files.key, own.key)
  const secured = { ca, cert: server.cert, key: server.key, requestCert: true, rejectUnauthorized: true }
  const started = await start(t, { tls: secured }, { tls: { ...files, ...tls } })
  return { ...started, files, issue }
}

function run(fake: FakeNomad, name: string): void {
  const service = { name, port: 'http', tags: [name] }
  fake.cluster.runJob({ id: name, groups: [{ name: 'g', ports: { http: {} }, services: [service] }] })
}

function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-nomad-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

function selfSigned(keys: KeyPair): string {
  const parts = [extensions.basicConstraints(true), extensions.keyUsage(0x06)]
  const { privateKey: signer, publicKey } = keys
  return pem(craftCertificate({ subject: named('nomad ca'), signer, publicKey, extensions: parts }))
}

function issueFor(name: string, authority: KeyPair) {
  const keys = generateKeys()
  const der = craftCertificate({
    issuerName: named('nomad ca'),
    subject: named(name),
    signer: authority.privateKey,
    publicKey: keys.publicKey,
    extensions: [
      extensions.basicConstraints(false),
      extensions.keyUsage(0x80),
      extensions.extendedKeyUsage(...both),
      extensions.san([2, name], [2, 'localhost']),
    ],
  })
  return { cert: pem(der), key: encodePrivateKey(keys.privateKey) }
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}
