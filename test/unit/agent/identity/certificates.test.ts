import t, { type Test } from 'tap'
import { type Certificates, startCertificates } from '../../../../agent/identity/certificates.ts'
import { type HeldCertificate, holdCertificate } from '../../../../agent/identity/held-certificate.ts'
import type { Signer } from '../../../../agent/identity/keeper.ts'
import type { TrustBundle } from '../../../../mesh/identity/trust-bundle.ts'
import { MeshError } from '../../../../mesh/std/errors.ts'
import type { Log } from '../../../../mesh/std/log.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { type TestAuthority, testAuthority } from '../../../support/authority.ts'

const hour = 3_600_000
const nodeId = 'spiffe://mesh.test/mesh/agent/vm-1'
const web = 'spiffe://mesh.test/ns/shop/sa/web'
const api = 'spiffe://mesh.test/ns/shop/sa/api'

interface World {
  readonly clock: FakeClock
  readonly authority: TestAuthority
  readonly signer: Watch<Signer | undefined>
  readonly trust: Watch<TrustBundle>
  readonly certificates: Certificates
  /** Identity and time of every request the server saw. */
  readonly asked: { identity: string; at: number; csr: string }[]
  readonly saved: { node: HeldCertificate; workloads: readonly HeldCertificate[] }[]
  readonly lines: { level: string; message: string; fields: Record<string, unknown> }[]
  /** What the server does. */
  readonly server: Signer
}

function start(
  t: Test,
  options: { ttl?: number; connected?: boolean; workloads?: string[]; server?: (base: Signer) => Signer } = {},
): World {
  const { ttl = 24 * hour, connected = true } = options
  const clock = new FakeClock()
  const authority = testAuthority(clock.now())
  const asked: World['asked'] = []
  const base: Signer = async (identity, csr) => {
    asked.push({ identity, at: clock.now(), csr: csr.toString('base64') })
    return authority.sign(identity, csr, { notBefore: clock.now(), notAfter: clock.now() + ttl })
  }
  const server = options.server?.(base) ?? base
  const signer = new Watch<Signer | undefined>(connected ? server : undefined)
  const trust = new Watch<TrustBundle>({ trustDomain: 'mesh.test', sequence: 1, roots: [authority.root] })
  const saved: World['saved'] = []
  const lines: World['lines'] = []
  const hold = (identity: string) =>
    holdCertificate({ identity, ...authority.issue(identity, { notBefore: clock.now(), notAfter: clock.now() + ttl }) })
  const certificates = startCertificates(
    {
      clock,
      random: () => 0.5,
      log: recordingLog(lines),
      signer,
      trust,
      save: (node, workloads) => saved.push({ node, workloads }),
    },
    { node: hold(nodeId), workloads: (options.workloads ?? []).map(hold) },
  )
  t.teardown(() => certificates.stop())
  return { clock, authority, signer, trust, certificates, asked, saved, lines, server }
}

function recordingLog(lines: World['lines']): Log {
  const write =
    (level: string) =>
    (message: string, fields = {}) =>
      void lines.push({ level, message, fields })
  const log: Log = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => log,
  }
  return log
}

const identities = (world: World) => world.certificates.credentials.value.map(credential => credential.identity)

t.test('obtains a certificate for every wanted identity and publishes them in order', async t => {
  const world = start(t)
  world.certificates.want([web, api])
  await world.clock.advance(0)
  t.same(identities(world), [api, web])
  t.same(
    world.saved.at(-1)?.workloads.map(held => held.identity),
    [api, web],
  )
})

t.test('renews at half of the life, the workload with a fresh key and the node with its own', async t => {
  const world = start(t)
  world.certificates.want([web])
  await world.clock.advance(0)
  const [first] = world.certificates.credentials.value
  const node = world.certificates.node.value
  await world.clock.advance(12 * hour - 60_000)
  t.equal(world.certificates.credentials.value[0], first)
  await world.clock.advance(2 * 60_000)
  const [second] = world.certificates.credentials.value
  t.not(second?.chain, first?.chain)
  t.not(second?.key, first?.key)
  t.not(world.certificates.node.value.chain, node.chain)
  t.equal(world.certificates.node.value.key, node.key)
})

t.test('keeps presenting the old certificate while the server is away, and renews when it is back', async t => {
  const world = start(t, { workloads: [web] })
  world.certificates.want([web])
  await world.clock.advance(0)
  world.signer.set(undefined)
  await world.clock.advance(0.9 * 24 * hour)
  t.same(identities(world), [web])
  world.signer.set(world.server)
  await world.clock.advance(0)
  t.equal(world.certificates.status()[1]?.notAfter, world.clock.now() + 24 * hour)
  t.equal(world.certificates.status()[1]?.problem, undefined)
})

t.test('presents a certificate until the very end of its life and not a moment longer', async t => {
  const world = start(t, { connected: false, workloads: [web] })
  world.certificates.want([web])
  await world.clock.advance(24 * hour)
  t.same(identities(world), [web])
  await world.clock.advance(1)
  t.same(identities(world), [])
  t.ok(world.lines.some(line => line.level === 'error' && line.fields.identity === web))
  world.signer.set(world.server)
  await world.clock.advance(0)
  t.same(identities(world), [web])
})

t.test('recovers by itself after being off for ten lives', async t => {
  const world = start(t, { connected: false, workloads: [web] })
  await world.clock.advance(240 * hour)
  world.certificates.want([web])
  t.same(identities(world), [])
  world.signer.set(world.server)
  await world.clock.advance(0)
  t.same(identities(world), [web])
  t.ok(world.certificates.node.value.notAfter > world.clock.now())
})

t.test('warns once each when half, a quarter and a tenth of the life are left', async t => {
  const world = start(t, { connected: false, workloads: [web] })
  world.certificates.want([web])
  await world.clock.advance(23.9 * hour)
  const warnings = world.lines.filter(line => /overdue/.test(line.message) && line.fields.identity === web)
  t.same(
    warnings.map(line => line.fields.percentLeft),
    [50, 25, 10],
  )
})

t.test('lets one refused identity wait on its own backoff without holding up another', async t => {
  const refusing =
    (base: Signer): Signer =>
    async (identity, csr) => {
      if (identity !== api) return base(identity, csr)
      refusals.push(world.clock.now())
      throw new MeshError('WEFT_IDENTITY_NOT_PLACED', 'nothing places it here')
    }
  const refusals: number[] = []
  const world: World = start(t, { server: refusing })
  world.certificates.want([api, web])
  await world.clock.advance(0)
  t.same(identities(world), [web])
  await world.clock.advance(hour)
  const gaps = refusals.slice(1).map((at, index) => at - (refusals[index] ?? 0))
  t.same(gaps.slice(0, 4), [250, 500, 1000, 2000])
  t.equal(Math.max(...gaps), 75_000)
  const status = world.certificates.status().find(one => one.identity === api)
  t.match(status, { refused: true, problem: 'nothing places it here' })
  t.equal(world.asked.filter(request => request.identity === web).length, 1)
})

t.test('does not use what the server must not have signed', async t => {
  const rogue = testAuthority(new FakeClock().now())
  const cases: [string, (world: World, csr: Buffer) => string[]][] = [
    ['another identity', (world, csr) => world.authority.sign(api, csr, times(world))],
    ['an unknown root', (world, csr) => rogue.sign(web, csr, times(world))],
    ['another key', world => [world.authority.issue(web, times(world)).chain]],
    ['an end in the past', (world, csr) => world.authority.sign(web, csr, times(world, -48 * hour))],
    ['a beginning in the future', (world, csr) => world.authority.sign(web, csr, times(world, hour))],
    ['nothing', () => []],
    ['nonsense', () => ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----']],
  ]
  for (const [what, answer] of cases) {
    const world: World = start(t, { server: () => async (_identity, csr) => answer(world, csr) })
    world.certificates.want([web])
    await world.clock.advance(0)
    t.same(identities(world), [], what)
    t.match(world.certificates.status()[1], { refused: true, problem: /./ }, what)
  }
})

t.test('tolerates a server whose clock is two minutes ahead', async t => {
  const world: World = start(t, {
    server: () => async (identity, csr) => world.authority.sign(identity, csr, times(world, 120_000)),
  })
  world.certificates.want([web])
  await world.clock.advance(0)
  t.same(identities(world), [web])
})

t.test('drops what is no longer wanted and forgets its key', async t => {
  const world = start(t)
  world.certificates.want([web, api])
  await world.clock.advance(0)
  world.certificates.want([api])
  t.same(identities(world), [api])
  t.same(
    world.saved.at(-1)?.workloads.map(held => held.identity),
    [api],
  )
})

t.test('does not overwrite what was saved before it knows what is wanted', async t => {
  const world = start(t, { workloads: [web] })
  await world.clock.advance(hour)
  t.same(world.saved, [])
})

t.test('looks at the wall clock at least once a minute, so a sleeping machine renews soon after it wakes', async t => {
  const world = start(t, { workloads: [web] })
  world.certificates.want([web])
  await world.clock.advance(1000)
  const before = world.asked.length
  // The machine sleeps: the wall clock goes on, timers do not.
  world.clock.jump(3 * 24 * hour)
  await world.clock.advance(60_000)
  t.ok(world.asked.length > before)
  t.same(identities(world), [web])
  t.ok((world.certificates.status()[1]?.notAfter ?? 0) > world.clock.now())
})

t.test('stops while a request is under way', async t => {
  const world = start(t, { server: () => () => new Promise(() => {}) })
  world.certificates.want([web])
  await world.clock.advance(0)
  await world.certificates.stop()
  t.equal(world.clock.pending, 0)
})

function times(world: World, offset = 0) {
  return { notBefore: world.clock.now() + offset, notAfter: world.clock.now() + offset + 24 * hour }
}

t.test('renews what is below a root that is about to go, within the time that the server gives', async t => {
  const next = testAuthority(Date.UTC(2030, 0, 1))
  const world = start(t, {
    server: () => async (identity, csr) =>
      next.sign(identity, csr, { notBefore: world.clock.now(), notAfter: world.clock.now() + 24 * hour }),
    workloads: [web],
  })
  world.certificates.want([web])
  await world.clock.advance(0)
  const everywhere = (root: string) => [nodeId, web].map(identity => ({ identity, root }))
  t.same(world.certificates.issued.value, everywhere(world.authority.rootHash))
  const roots = [world.authority.root, next.root]
  world.trust.set({ ...world.trust.value, sequence: 2, roots })
  await world.clock.advance(hour)
  t.same(world.certificates.issued.value, everywhere(world.authority.rootHash), 'a further root changes nothing')

  const tainted = [world.authority.rootHash]
  world.trust.set({ ...world.trust.value, sequence: 3, tainted, renewWithinMs: 60_000 })
  await world.clock.advance(29_000)
  t.same(world.certificates.issued.value, everywhere(world.authority.rootHash), 'not all at once')
  await world.clock.advance(1_000)
  t.same(world.certificates.issued.value, everywhere(next.rootHash))
  t.equal(world.certificates.node.value.chain.includes('BEGIN CERTIFICATE'), true)
})

t.test('renews what an earlier run has left below a root that is gone', async t => {
  const world = start(t, { workloads: [web] })
  const next = testAuthority(world.clock.now())
  world.certificates.want([web])
  world.trust.set({ ...world.trust.value, sequence: 2, roots: [next.root] })
  t.same(new Set(world.certificates.issued.value.map(({ root }) => root)), new Set(['0'.repeat(64)]))
  await world.clock.advance(1_000)
  t.ok(new Set(world.asked.map(({ identity }) => identity)).size === 2, 'both are asked for')
})
