import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { MeshError } from '../../../mesh/std/errors.ts'
import { silentLog } from '../../../mesh/std/log.ts'
import { type OwnAuthority, openAuthority } from '../../../server/identity/authority.ts'
import { startServerCertificate } from '../../../server/server-certificate.ts'
import { FakeClock } from '../../fakes/clock.ts'

const day = 24 * 3_600_000

async function authorityOf(t: { testdir(): string }) {
  const clock = new FakeClock()
  const authority = await openAuthority({ dataDir: t.testdir(), trustDomain: 'mesh.test' }, { clock, log: silentLog })
  return { clock, authority }
}

t.test('the server has a certificate at once and a new one at half of its life', async t => {
  const { clock, authority } = await authorityOf(t)
  const deps = { authority, clock, random: () => 0.5, log: silentLog }
  const { credentials, stop } = startServerCertificate(deps, { serverName: 's1', ttlMs: day })
  t.teardown(stop)
  const first = credentials.value
  const leaf = new X509Certificate(first.chain)
  t.match(leaf.subjectAltName, /spiffe:\/\/mesh.test\/mesh\/server\/s1/)
  t.equal(first.chain.match(/BEGIN CERTIFICATE/g)?.length, 3, 'leaf, issuing, root')
  t.equal(first.notAfter, clock.now() + day)
  await clock.advance(day / 2 - 1)
  t.equal(credentials.value, first)
  await clock.advance(1)
  t.not(credentials.value, first)
  t.not(credentials.value.key, first.key)
  t.ok(credentials.value.notAfter > first.notAfter)
})

t.test('a certificate that lives longer than a timer can hold is renewed in time, too', async t => {
  const { clock, authority } = await authorityOf(t)
  const deps = { authority, clock, random: () => 0.5, log: silentLog }
  const { credentials, stop } = startServerCertificate(deps, { serverName: 's1', ttlMs: 80 * day })
  t.teardown(stop)
  const first = credentials.value
  await clock.advance(39 * day)
  t.equal(credentials.value, first)
  await clock.advance(2 * day)
  t.not(credentials.value, first)
})

t.test('when renewing fails the old certificate stays and it is tried again', async t => {
  const { clock, authority } = await authorityOf(t)
  let broken = false
  const flaky: OwnAuthority = {
    ...authority,
    issue(...args) {
      if (broken) throw new MeshError('WEFT_STORE', 'disk is full')
      return authority.issue(...args)
    },
  }
  const deps = { authority: flaky, clock, random: () => 0.5, log: silentLog }
  const { credentials, stop } = startServerCertificate(deps, { serverName: 's1', ttlMs: day })
  t.teardown(stop)
  const first = credentials.value
  broken = true
  await clock.advance(day * 0.6)
  t.equal(credentials.value, first)
  broken = false
  await clock.advance(60_000)
  t.not(credentials.value, first)
})
