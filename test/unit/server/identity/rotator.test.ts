import { readdirSync } from 'node:fs'
import t, { type Test } from 'tap'
import { splitChain } from '../../../../agent/identity/held-certificate.ts'
import { generateKeys, spkiHash } from '../../../../mesh/identity/keys.ts'
import { advanceTrustBundle } from '../../../../mesh/identity/trust-bundle.ts'
import { verifyChain } from '../../../../mesh/identity/verify.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { encodeResource } from '../../../../mesh/wire/agent-config-codec.ts'
import { openAuthority } from '../../../../server/identity/authority.ts'
import { presentedRoots } from '../../../../server/identity/ca-state.ts'
import { createHostTrust } from '../../../../server/identity/host-trust.ts'
import { startRotator } from '../../../../server/identity/rotator.ts'
import { startServerCertificate } from '../../../../server/server-certificate.ts'
import type { NodeRecord } from '../../../../server/store/store.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { derOf } from '../../../support/certificates.ts'

const minute = 60_000
const day = 24 * 60 * minute
const options = { renewWithinMs: minute, retentionMs: 30 * day, compromised: false }

/** A server that can be killed and started again, and hosts that do what they are told. */
async function aWorld(t: Test, names: readonly string[] = ['vm-1', 'vm-2']) {
  const dataDir = t.testdir({})
  const clock = new FakeClock()
  const nodes = new Map<string, NodeRecord>()
  const start = async () => {
    const authority = await openAuthority({ dataDir, trustDomain: 'td' }, { clock, log: silentLog })
    const hosts = createHostTrust()
    const rotator = startRotator({ clock, log: silentLog, authority, nodes: () => nodes, hosts })
    return { authority, hosts, rotator }
  }
  let server = await start()
  const renew = (node: string) => {
    const recipient = { node, evidence: 'renewal' }
    return server.authority.issue(`spiffe://td/mesh/agent/${node}`, generateKeys().publicKey, day, recipient).chain
  }
  const join = (name: string) => {
    const banned = false
    nodes.set(name, { name, identities: [], joinedAt: clock.now(), keyHash: '', banned })
    return renew(name)
  }
  const leaves = new Map(names.map(name => [name, join(name)] as const))
  t.teardown(() => server.rotator.stop())
  const step = () => server.rotator.status().rotation?.step
  return {
    dataDir,
    clock,
    nodes,
    join,
    step,
    get server() {
      return server
    },
    missing: () => server.rotator.status().rotation?.missing.map(({ node }) => node) ?? [],
    /** Acknowledges the newest trust bundle. */
    acknowledge(...of: readonly string[]) {
      const { hash } = encodeResource({ kind: 'trust', ...server.authority.trust.value })
      for (const node of of) server.hosts.holds(node, hash)
    },
    /** Gets a new certificate and says so. */
    renewed(...of: readonly string[]) {
      for (const node of of) {
        leaves.set(node, renew(node))
        const root = server.authority.rootHash
        server.hosts.presents(node, [{ identity: `spiffe://td/mesh/agent/${node}`, root }])
      }
    },
    /** Every certificate in use is believed by the bundle that is told now. */
    allBelieved() {
      const { roots } = server.authority.trustBundle
      for (const chain of leaves.values()) {
        verifyChain({ chain: chain.map(derOf), roots, trustDomain: 'td', now: clock.now() })
      }
    },
    /** Kills the server and starts it again: it knows what is on its disk, and nothing of the hosts. */
    async restart() {
      server.rotator.stop()
      server = await start()
    },
    look: () => clock.advance(500),
  }
}

t.test('changes the root in steps, each when every host is ready for it', async t => {
  const world = await aWorld(t)
  const first = world.server.authority.rootHash
  const told = [world.server.authority.trustBundle]
  world.server.rotator.rotate(options)
  told.push(world.server.authority.trustBundle)
  t.equal(world.step(), 'preparing')
  t.equal(world.server.authority.rootHash, first, 'the old one still signs')
  t.same(world.missing(), ['vm-1', 'vm-2'])
  world.acknowledge('vm-1')
  await world.look()
  t.same([world.step(), world.missing()], ['preparing', ['vm-2']])
  t.match(world.server.rotator.status().rotation?.missing, [{ reason: /not connected/ }])
  world.acknowledge('vm-2')
  await world.look()

  told.push(world.server.authority.trustBundle)
  t.equal(world.step(), 'signing')
  t.not(world.server.authority.rootHash, first)
  t.match(world.server.authority.trustBundle, { tainted: [first], renewWithinMs: minute })
  world.allBelieved()
  await world.look()
  t.same(world.missing(), ['vm-1', 'vm-2'], 'the bundle is another one now')
  world.acknowledge('vm-1', 'vm-2')
  await world.look()

  t.equal(world.step(), 'retiring')
  world.renewed('vm-1')
  world.server.hosts.presents('vm-2', [{ identity: 'spiffe://td/ns/a/sa/b', root: first }])
  await world.look()
  t.match(world.server.rotator.status().rotation?.missing, [{ node: 'vm-2', reason: /ns\/a\/sa\/b/ }])
  world.allBelieved()
  world.renewed('vm-2')
  await world.look()

  t.equal(world.step(), undefined)
  told.push(world.server.authority.trustBundle)
  t.same(
    world.server.authority.trustBundle.roots.map(root => spkiHash(root)),
    [world.server.authority.rootHash],
  )
  t.same(
    world.server.authority.trustBundle.retired?.map(root => spkiHash(root)),
    [first],
  )
  t.match(world.server.rotator.status().history, [{ outcome: 'done', forced: [] }])
  world.allBelieved()
  t.equal(readdirSync(`${world.dataDir}/ca`).length, 3, 'the old keys are gone')
  told.reduce((current, next) => advanceTrustBundle(current, next))
})

t.test('goes on where it was after the server was killed, at every step', async t => {
  const world = await aWorld(t)
  world.server.rotator.rotate(options)
  for (let round = 0; round < 2; round += 1) {
    for (const expected of ['preparing', 'signing', 'retiring']) {
      await world.restart()
      await world.look()
      t.equal(world.step(), expected)
      t.same(world.missing(), ['vm-1', 'vm-2'], 'what hosts said to an earlier run does not count')
      world.allBelieved()
      if (expected === 'retiring') world.renewed('vm-1', 'vm-2')
      else world.acknowledge('vm-1', 'vm-2')
      await world.look()
    }
    t.equal(world.step(), undefined)
    await world.restart()
    world.allBelieved()
    world.server.rotator.rotate(options)
  }
})

t.test('forgets a root that no state came to name', async t => {
  const world = await aWorld(t)
  world.server.authority.ca.prepare()
  t.equal(readdirSync(`${world.dataDir}/ca`).length, 5)
  const { rootHash } = world.server.authority
  await world.restart()
  t.equal(readdirSync(`${world.dataDir}/ca`).length, 3)
  t.equal(world.server.authority.rootHash, rootHash)
})

t.test('waits for a host as long as a certificate of it is valid, and not for banned ones', async t => {
  const world = await aWorld(t, ['vm-1', 'vm-2', 'vm-3'])
  world.nodes.set('vm-3', { ...world.nodes.get('vm-3'), banned: true } as NodeRecord)
  world.server.rotator.rotate(options)
  t.same(world.missing(), ['vm-1', 'vm-2'])
  await world.clock.advance(day / 2)
  world.renewed('vm-1')
  world.acknowledge('vm-1')
  t.same(world.missing(), ['vm-2'])
  await world.clock.advance(day / 2 + minute)
  t.equal(world.step(), 'signing', 'vm-2 has let its certificate expire and must join again')
})

t.test('goes on without hosts when an operator says so, and keeps who they were', async t => {
  const world = await aWorld(t)
  t.throws(() => world.server.rotator.force(), { code: 'WEFT_ROTATION' })
  world.server.rotator.rotate(options)
  world.acknowledge('vm-1')
  t.match(world.server.rotator.force(), [{ node: 'vm-2' }])
  t.equal(world.step(), 'signing')
  world.server.rotator.force()
  world.renewed('vm-1')
  world.server.rotator.force()
  t.match(world.server.rotator.status().history, [
    {
      outcome: 'done',
      forced: [
        { step: 'preparing', nodes: ['vm-2'] },
        { step: 'signing', nodes: ['vm-1', 'vm-2'] },
        { step: 'retiring', nodes: ['vm-2'] },
      ],
    },
  ])
})

t.test('is taken back at once before the new root has signed', async t => {
  const world = await aWorld(t)
  const { rootHash } = world.server.authority
  world.server.rotator.rotate(options)
  t.throws(() => world.server.rotator.rotate(options), { code: 'WEFT_ROTATION' })
  world.server.rotator.abort()
  t.equal(world.step(), undefined)
  t.same(
    world.server.authority.trustBundle.roots.map(root => spkiHash(root)),
    [rootHash],
  )
  t.equal(world.server.authority.trustBundle.sequence, 3)
  t.match(world.server.rotator.status().history, [{ outcome: 'aborted' }])
  t.equal(readdirSync(`${world.dataDir}/ca`).length, 3)
  t.throws(() => world.server.rotator.abort(), { code: 'WEFT_ROTATION' })
  await world.restart()
  t.equal(world.server.authority.rootHash, rootHash)
})

t.test('is taken back in the same steps once the new root has signed', async t => {
  const world = await aWorld(t)
  const { rootHash } = world.server.authority
  world.server.rotator.rotate(options)
  world.acknowledge('vm-1', 'vm-2')
  await world.look()
  world.acknowledge('vm-1', 'vm-2')
  world.renewed('vm-1')
  await world.look()
  t.equal(world.step(), 'retiring')
  const second = world.server.authority.rootHash
  world.server.rotator.abort()
  t.match(world.server.rotator.status().rotation, { step: 'signing', aborting: true })
  t.equal(world.server.authority.rootHash, rootHash, 'the old one signs again')
  t.same(world.server.authority.trustBundle.tainted, [second])
  t.throws(() => world.server.rotator.abort(), { code: 'WEFT_ROTATION' })
  world.allBelieved()
  await world.restart()
  world.acknowledge('vm-1', 'vm-2')
  await world.look()
  t.same(world.missing(), ['vm-1', 'vm-2'])
  world.renewed('vm-1', 'vm-2')
  await world.look()
  t.equal(world.step(), undefined)
  t.same(
    world.server.authority.trustBundle.roots.map(root => spkiHash(root)),
    [rootHash],
  )
  t.match(world.server.rotator.status().history, [{ outcome: 'aborted' }])
  world.allBelieved()
})

t.test('a root in wrong hands is not kept for what is open under it', async t => {
  const world = await aWorld(t, [])
  world.server.rotator.rotate({ ...options, compromised: true })
  await world.clock.advance(minute)
  t.equal(world.step(), undefined, 'with no hosts there is nobody to wait for')
  t.equal(world.server.authority.trustBundle.retired, undefined)
})

t.test('the server can be known by every root of its retention, and no longer', async t => {
  const world = await aWorld(t, [])
  const certificate = startServerCertificate(
    { authority: world.server.authority, clock: world.clock, random: () => 0.5, log: silentLog },
    { serverName: 's1', ttlMs: day },
  )
  t.teardown(() => certificate.stop())
  const hashes = [world.server.authority.rootHash]
  for (let round = 0; round < 3; round += 1) {
    world.server.rotator.rotate(options)
    await world.clock.advance(minute)
    hashes.unshift(world.server.authority.rootHash)
  }
  const knownBy = () => {
    const chain = splitChain(certificate.credentials.value.chain)
    return hashes.filter(hash => {
      const roots = chain.filter(pem => spkiHash(pem) === hash)
      if (roots.length === 0) return false
      const now = world.clock.now()
      return verifyChain({ chain: chain.map(derOf), roots, trustDomain: 'td', now }).kind === 'server'
    })
  }
  t.equal(new Set(hashes).size, 4)
  t.same(knownBy(), hashes, 'tokens of all of them work')
  t.equal(certificate.credentials.value.roots.length, 4, 'agents of all of them can come back')
  await world.clock.advance(31 * day)
  t.same(knownBy(), hashes.slice(0, 1))
  t.equal(certificate.credentials.value.roots.length, 1)
  t.equal(presentedRoots(world.server.authority.ca.state.value).length, 1)
})
