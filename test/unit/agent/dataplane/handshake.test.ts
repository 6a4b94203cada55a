import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import t, { type Test } from 'tap'
import type { Credential } from '../../../../agent/dataplane/messages.ts'
import { aConfig, aWorkload } from '../../../support/agent-config.ts'
import { aThread, aTrustedMesh, identityOf } from '../../../support/data-threads.ts'
import { eventually, until } from '../../../support/eventually.ts'
import { dialHbone, dialTls } from '../../../support/hbone-peer.ts'

/** A host that serves `api`, or other identities, over HBONE. */
async function aHost(t: Test, names: readonly string[] = ['api']) {
  const mesh = aTrustedMesh()
  const accessLog = join(t.testdir(), 'access.log')
  const { core, port } = await aThread(t, { kind: 'hbone' }, { accessLog })
  const workloads = names.map((name, at) =>
    aWorkload({ id: `static/${name}`, name, address: `127.0.0.${at + 1}`, identity: identityOf(name) }),
  )
  core.config(aConfig({ trust: mesh.trust, workloads }))
  core.credentials(names.map(name => mesh.credential(name)))
  const lines = () =>
    readFileSync(accessLog, 'utf8')
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line))
  return {
    mesh,
    core,
    port,
    lines,
    /** Waits for the one line that a refusal leaves. */
    async refusal(reason: string) {
      const found = await eventually(() => {
        const all = lines()
        if (all.length === 0) throw new Error('nothing logged yet')
        return all
      })
      t.equal(found.length, 1, 'one line')
      t.match(found[0], { direction: 'inbound', verdict: 'refused', reason })
      t.match(core.report().refused, [{ direction: 'inbound', reason, count: 1 }])
      return found[0]
    },
    dial: (credential: Credential | undefined, tls: ConnectionOptions = {}) =>
      dialTls(t, { port, roots: mesh.trust.roots, ...(credential && { credential }), tls }),
  }
}

t.test('speaks nothing older than TLS 1.3', async t => {
  const host = await aHost(t, ['api', 'db'])
  const tls = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const
  await t.rejects(host.dial(host.mesh.credential('web'), tls))
  await host.refusal('BAD_HANDSHAKE')
})

t.test('speaks no cipher but AES-GCM', async t => {
  const host = await aHost(t, ['api', 'db'])
  await t.rejects(host.dial(host.mesh.credential('web'), { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }))
  await host.refusal('BAD_HANDSHAKE')
})

t.test('resumes no session, which would carry a caller past a change of trust', async t => {
  const host = await aHost(t, ['api', 'db'])
  const credential = host.mesh.credential('web')
  const peer = await dialHbone(t, { port: host.port, roots: host.mesh.trust.roots, credential })
  let ticket: Buffer | undefined
  peer.socket.on('session', session => {
    ticket = session
  })
  // Tickets, which OpenSSL sends in any case, come before the first answer.
  const answer = peer.request([':method', 'CONNECT', ':authority', '127.0.0.9:1'])
  await until('the request is answered', () => answer.status() === '404')
  const again = await host.dial(credential, ticket === undefined ? {} : { session: ticket })
  t.equal(again.isSessionReused(), false)
})

t.test('a client that names nobody gets the identity of a host with only one', async t => {
  const host = await aHost(t)
  const socket = await host.dial(host.mesh.credential('web'), { servername: '' })
  t.match(socket.getPeerX509Certificate()?.subjectAltName, identityOf('api'))
  host.core.credentials([])
  await t.rejects(host.dial(host.mesh.credential('web'), { servername: '' }), 'and nobody once it is gone')
})

t.test('a client that names nobody gets nowhere on a host with several identities', async t => {
  const host = await aHost(t, ['api', 'db'])
  await t.rejects(host.dial(host.mesh.credential('web'), { servername: '' }))
})

t.test('a client that names somebody who is not here gets nowhere', async t => {
  const host = await aHost(t, ['api', 'db'])
  await t.rejects(host.dial(host.mesh.credential('web'), { servername: 'web.default.ns.mesh.local' }))
  await host.refusal('WRONG_WORKLOAD')
})

t.test('server names compare without case and without a final dot', async t => {
  const host = await aHost(t, ['api', 'db'])
  const socket = await host.dial(host.mesh.credential('web'), { servername: 'API.Default.NS.mesh.local' })
  t.match(socket.getPeerX509Certificate()?.subjectAltName, identityOf('api'))
  await host.dial(host.mesh.credential('web'), { servername: 'api.default.ns.mesh.local.' })
})

t.test('refuses, and logs once, a client without certificate', async t => {
  const host = await aHost(t)
  await host.dial(undefined)
  await host.refusal('PEER_CERTIFICATE')
})

t.test('refuses, and logs once, a client of another root, and says what is wrong with it', async t => {
  const host = await aHost(t)
  await host.dial(aTrustedMesh().credential('web'))
  t.match((await host.refusal('PEER_CERTIFICATE')).detail, /certificate/i)
})

t.test('refuses, and logs once, a client that does not agree on HTTP/2', async t => {
  const host = await aHost(t)
  await host.dial(host.mesh.credential('web'), { ALPNProtocols: [] })
  await host.refusal('BAD_HANDSHAKE')
})

t.test('logs once a connection that says nothing of TLS', async t => {
  const host = await aHost(t)
  const socket = connect({ port: host.port, host: '127.0.0.1' })
  socket.on('error', () => {})
  socket.end('GET / HTTP/1.1\r\n\r\n')
  await host.refusal('BAD_HANDSHAKE')
})

t.test('refuses agents and servers of the mesh: only workloads call workloads', async t => {
  for (const kind of ['agent', 'server']) {
    const host = await aHost(t)
    const credential = host.mesh.credentialOf(`spiffe://mesh.local/mesh/${kind}/one`)
    const socket = await host.dial(credential)
    const closed = new Promise(resolve => socket.once('close', resolve))
    await host.refusal('PEER_CERTIFICATE')
    await closed
  }
})

t.test('an identity that has no server name can call, and does not take the others down', async t => {
  const host = await aHost(t, ['api', 'a.b.ns.c'])
  await host.dial(host.mesh.credential('web'))
  t.pass('the other identity is served')
})
