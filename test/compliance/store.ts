import type { Test } from 'tap'
import type { MeshError } from '../../mesh/std/errors.ts'
import type { JoinTokenRecord, NodeRecord, RegistrationRecord, Store } from '../../server/store/store.ts'

/** How the suite opens the store under test. */
export interface StoreSubject {
  /** A fresh, empty store. */
  open(): Promise<Store>
  /** Closes the store and opens what it kept; absent for stores that keep nothing. */
  reopen?(store: Store): Promise<Store>
}

/** What every store must do, whatever it is made of. */
export function storeCompliance(t: Test, subject: StoreSubject): void {
  const scenario = (title: string, run: (t: Test, store: Store) => Promise<void>) =>
    t.test(title, async t => {
      const store = await subject.open()
      t.teardown(() => store.close())
      await run(t, store)
    })
  resources(scenario)
  joinTokens(scenario)
  others(scenario)
  durability(t, subject)
}

type Scenario = (title: string, run: (t: Test, store: Store) => Promise<void>) => void

function resources(scenario: Scenario): void {
  scenario('writes resources with growing versions and keeps when each was created', async (t, { resources }) => {
    const [first] = await resources.put([resource('a', '{"one":1}')], 1000)
    const [second] = await resources.put([resource('a', '{"one":2}')], 2000)
    t.match(first, { kind: 'K', namespace: 'n', name: 'a', createdAt: 1000, document: '{"one":1}' })
    t.match(second, { createdAt: 1000, document: '{"one":2}' })
    t.ok(version(second) > version(first))
    t.same(await resources.list(), [second])
  })

  scenario('lists resources by kind, namespace and name', async (t, { resources }) => {
    const keys = [
      ['B', 'n', 'a'],
      ['A', 'z', 'a'],
      ['A', 'n', 'b'],
      ['A', 'n', 'a'],
    ]
    for (const [kind = '', namespace = '', name = ''] of keys) {
      await resources.put([{ kind, namespace, name, document: '{}' }], 1)
    }
    const listed = (await resources.list()).map(({ kind, namespace, name }) => [kind, namespace, name])
    t.same(listed, [...keys].reverse())
  })

  scenario('writes nothing of a batch in which one expected version is wrong', async (t, { resources }) => {
    const [kept] = await resources.put([resource('b', '{}')], 1)
    const writes = [resource('a', '{}', 0), resource('b', '{"new":1}', version(kept) + 7)]
    await t.rejects(resources.put(writes, 2), { code: 'WEFT_RESOURCE_CONFLICT', fields: { name: 'b' } })
    t.same(await resources.list(), [kept])
  })

  scenario('takes an expected version of zero as must-not-exist', async (t, { resources }) => {
    const [made] = await resources.put([resource('a', '{}', 0)], 1)
    await t.rejects(resources.put([resource('a', '{}', 0)], 2), { code: 'WEFT_RESOURCE_CONFLICT' })
    const [changed] = await resources.put([resource('a', '{"x":1}', version(made))], 3)
    t.equal(changed?.document, '{"x":1}')
    await t.rejects(resources.put([resource('new', '{}', 4)], 5), { code: 'WEFT_RESOURCE_CONFLICT' })
  })

  scenario('never gives the version of a removed resource to its successor', async (t, { resources }) => {
    const [first] = await resources.put([resource('a', '{}')], 1)
    t.equal(await resources.remove('K', 'n', 'a'), true)
    t.equal(await resources.remove('K', 'n', 'a'), false)
    t.same(await resources.list(), [])
    const [second] = await resources.put([resource('a', '{}')], 9)
    t.ok(version(second) > version(first))
    t.equal(second?.createdAt, 9)
  })

  scenario(
    'tells listeners after writes that changed something, until they stop listening',
    async (t, { resources }) => {
      let changes = 0
      const stop = resources.onChange(() => {
        changes += 1
      })
      await resources.put([resource('a', '{}'), resource('b', '{}')], 1)
      t.equal(changes, 1)
      await resources.remove('K', 'n', 'a')
      t.equal(changes, 2)
      await resources.remove('K', 'n', 'a')
      await resources.put([], 1)
      await t.rejects(resources.put([resource('b', '{}', 0)], 1))
      t.equal(changes, 2, 'nothing changed, nothing told')
      stop()
      await resources.put([resource('c', '{}')], 1)
      t.equal(changes, 2)
    },
  )

  scenario('lets exactly one of many concurrent writers of one version through', async (t, { resources }) => {
    const [made] = await resources.put([resource('a', '{}')], 1)
    const tries = Array.from({ length: 50 }, (_, at) =>
      resources.put([resource('a', `{"by":${at}}`, version(made))], 2),
    )
    const results = await Promise.allSettled(tries)
    t.equal(results.filter(result => result.status === 'fulfilled').length, 1)
    for (const result of results) {
      if (result.status === 'rejected') t.equal((result.reason as MeshError).code, 'WEFT_RESOURCE_CONFLICT')
    }
  })
}

function joinTokens(scenario: Scenario): void {
  scenario('lets exactly one of 200 parallel consumers of a token succeed', async (t, { joinTokens }) => {
    await joinTokens.create(token())
    const results = await Promise.all(Array.from({ length: 200 }, () => joinTokens.consume('hash', 'vm-1', 500)))
    const winners = results.filter(result => result !== undefined)
    t.same(winners, [{ ...token(), usedAt: 500 }])
    t.same(await joinTokens.list(), winners)
  })

  const refused: readonly (readonly [string, Partial<JoinTokenRecord>, string, string, number])[] = [
    ['that does not exist', {}, 'other', 'vm-1', 500],
    ['for another node', {}, 'hash', 'vm-2', 500],
    ['in the millisecond it expires', {}, 'hash', 'vm-1', 1000],
    ['that was used', { usedAt: 300 }, 'hash', 'vm-1', 500],
    ['that was revoked', { revokedAt: 300 }, 'hash', 'vm-1', 500],
  ]
  for (const [what, state, hash, node, now] of refused) {
    scenario(`does not consume a token ${what}`, async (t, { joinTokens }) => {
      await joinTokens.create({ ...token(), ...state })
      t.equal(await joinTokens.consume(hash, node, now), undefined)
      t.same(await joinTokens.list(), [{ ...token(), ...state }], 'left as it was')
    })
  }

  scenario('revokes a token once, and only while it could be used', async (t, { joinTokens }) => {
    await joinTokens.create(token())
    t.equal(await joinTokens.revoke('nope', 500), false)
    t.equal(await joinTokens.revoke('id', 1000), false, 'expired')
    t.equal(await joinTokens.revoke('id', 500), true)
    t.equal(await joinTokens.revoke('id', 501), false)
    t.match(await joinTokens.list(), [{ revokedAt: 500 }])
    await joinTokens.create({ ...token(), id: 'used', hash: 'hash-2' })
    await joinTokens.consume('hash-2', 'vm-1', 500)
    t.equal(await joinTokens.revoke('used', 501), false)
  })

  scenario('refuses two tokens with one id or one hash', async (t, { joinTokens }) => {
    await joinTokens.create(token())
    await t.rejects(joinTokens.create({ ...token(), hash: 'other' }), { code: 'WEFT_STORE' })
    await t.rejects(joinTokens.create({ ...token(), id: 'other' }), { code: 'WEFT_STORE' })
    t.equal((await joinTokens.list()).length, 1)
  })
}

function others(scenario: Scenario): void {
  scenario('keeps the evidence of a node', async (t, { nodes }) => {
    const evidence = { kind: 'aws', grade: 3, instance: 'i-1', claims: { account: '1', region: '' }, at: 7 }
    await nodes.put({ ...node(), evidence })
    t.same(await nodes.get('vm-1'), { ...node(), evidence })
    await nodes.put(node())
    t.same(await nodes.get('vm-1'), node(), 'until it joins without')
  })

  scenario('lets a proof be used by one key of one node until it expires', async (t, { proofs }) => {
    const proof = { kind: 'aws', id: 'i-1', node: 'vm-1', keyHash: 'a', expiresAt: 100 }
    const keys = Array.from({ length: 50 }, (_, at) => ({ ...proof, keyHash: `key-${at}` }))
    const uses = await Promise.all(keys.map(one => proofs.use(one, 1)))
    t.equal(uses.filter(use => use === 'new').length, 1)
    t.equal(uses.filter(use => use === 'taken').length, 49)
    const user = keys[uses.indexOf('new')] ?? proof
    t.equal(await proofs.use(user, 99), 'again')
    t.equal(await proofs.use({ ...user, node: 'vm-2' }, 99), 'taken')
    t.equal(await proofs.use({ ...user, kind: 'gcp', keyHash: 'b' }, 99), 'new', 'of another kind')
    t.equal(await proofs.use({ ...proof, keyHash: 'b' }, 100), 'new', 'it has expired')
  })

  scenario('keeps one record a node, the latest', async (t, { nodes }) => {
    t.equal(await nodes.get('vm-1'), undefined)
    await nodes.put(node())
    await nodes.put({ ...node(), name: 'vm-0' })
    await nodes.put({ ...node(), banned: true, keyHash: 'new' })
    t.same(await nodes.get('vm-1'), { ...node(), banned: true, keyHash: 'new' })
    t.same(
      (await nodes.list()).map(({ name }) => name),
      ['vm-0', 'vm-1'],
    )
  })

  scenario('gives each key an offset that no other key ever has', async (t, { virtualIps }) => {
    const first = await virtualIps.allocate(['n/b', 'n/a'], 1, 100)
    t.same([...first].sort(), [
      ['n/a', 2],
      ['n/b', 1],
    ])
    const second = await virtualIps.allocate(['n/a', 'n/c', 'n/c'], 1, 100)
    t.equal(second.get('n/a'), 2)
    t.equal(second.get('n/c'), 3)
    t.same([...(await virtualIps.list())].sort(), [...second].sort())
    const jump = await virtualIps.allocate(['n/d'], 50, 100)
    t.equal(jump.get('n/d'), 50, 'a later start is kept to')
  })

  scenario('gives no offset at all when there are not enough for all keys', async (t, { virtualIps }) => {
    await virtualIps.allocate(['n/a'], 1, 2)
    await t.rejects(virtualIps.allocate(['n/b', 'n/c'], 1, 2), { code: 'WEFT_STORE' })
    t.same([...(await virtualIps.list())], [['n/a', 1]])
    t.equal((await virtualIps.allocate(['n/b'], 1, 2)).get('n/b'), 2, 'the last offset can be had')
  })

  scenario('gives concurrent callers the same offset for one key', async (t, { virtualIps }) => {
    const names = ['x', 'y', 'z']
    const all = await Promise.all(Array.from({ length: 30 }, () => virtualIps.allocate(names, 0, 100)))
    for (const offsets of all) t.same([...offsets].sort(), [...(all[0] ?? [])].sort())
    t.equal(new Set(all[0]?.values()).size, 3)
  })

  scenario('finds API tokens by their hash', async (t, { apiTokens }) => {
    const record = { id: 'a', hash: 'h', createdAt: 7, name: 'ci', roles: ['operator:shop', 'auditor'], expiresAt: 9 }
    await apiTokens.create(record)
    t.same(await apiTokens.find('h'), record)
    t.equal(await apiTokens.find('a'), undefined)
    t.same(await apiTokens.list(), [record])
    t.equal(await apiTokens.revoke('a', 8), true)
    t.equal(await apiTokens.revoke('a', 9), false, 'once')
    t.same(await apiTokens.find('h'), { ...record, revokedAt: 8 })
  })

  scenario('notes who wrote each version of a resource', async (t, { resources }) => {
    await resources.put([resource('a', '{}'), resource('b', '{}')], 1, 'token ann')
    await resources.put([resource('a', '{"x":1}')], 2, 'token bob')
    t.same(
      (await resources.list()).map(({ writtenBy }) => writtenBy),
      ['token bob', 'token ann'],
    )
  })

  scenario('replaces the registrations of one node and leaves those of others', async (t, { registrations }) => {
    t.same(await registrations.list(), [])
    await registrations.replace('vm-2', [registration({ node: 'vm-2' })])
    await registrations.replace('vm-1', [registration({ name: 'b' }), registration({ name: 'a' })])
    const [a, b, other] = await registrations.list()
    t.same(a, registration({ name: 'a' }))
    t.same(b, registration({ name: 'b' }))
    t.same(other, registration({ node: 'vm-2' }))
    await registrations.replace('vm-1', [registration({ maintenance: 'disk swap', ports: {} })])
    t.same(await registrations.list(), [
      registration({ maintenance: 'disk swap', ports: {} }),
      registration({ node: 'vm-2' }),
    ])
    await registrations.replace('vm-1', [])
    await registrations.replace('vm-3', [])
    t.same(await registrations.list(), [registration({ node: 'vm-2' })])
  })

  scenario('keeps the old registrations of a node when the new ones cannot be', async (t, { registrations }) => {
    await registrations.replace('vm-1', [registration()])
    await t.rejects(registrations.replace('vm-1', [registration({ name: 'x' }), registration({ name: 'x' })]), {
      code: 'WEFT_STORE',
    })
    t.same(await registrations.list(), [registration()])
  })

  scenario('keeps any text as it is', async (t, { nodes, resources }) => {
    const odd = `'"; DROP TABLE nodes; -- \u00e9\u{1f600}%_`
    await nodes.put({ ...node(), name: odd, identities: [odd] })
    t.same(await nodes.get(odd), { ...node(), name: odd, identities: [odd] })
    const [stored] = await resources.put([resource(odd, odd)], 1)
    t.equal(stored?.document, odd)
    t.equal(await resources.remove('K', 'n', odd), true)
  })
}

function durability(t: Test, { open, reopen }: StoreSubject): void {
  t.test('fails clearly once it is closed, and may be closed twice', async t => {
    const store = await open()
    await store.close()
    await store.close()
    await t.rejects(store.nodes.list(), { code: 'WEFT_STORE' })
    await t.rejects(store.joinTokens.consume('hash', 'vm-1', 1), { code: 'WEFT_STORE' })
    await t.rejects(store.resources.put([resource('a', '{}')], 1), { code: 'WEFT_STORE' })
  })

  if (reopen === undefined) return
  t.test('still has everything after it was closed and opened again', async t => {
    const before = await open()
    const [stored] = await before.resources.put([resource('a', '{}'), resource('b', '{}')], 1)
    await before.resources.remove('K', 'n', 'b')
    await before.joinTokens.create(token())
    await before.joinTokens.consume('hash', 'vm-1', 500)
    await before.nodes.put(node())
    await before.virtualIps.allocate(['n/a'], 1, 9)
    await before.apiTokens.create({ id: 'a', hash: 'h', createdAt: 7, name: 'a', roles: ['admin'] })
    await before.registrations.replace('vm-1', [registration()])
    const after = await reopen(before)
    t.teardown(() => after.close())
    t.same(await after.resources.list(), [stored])
    const [next] = await after.resources.put([resource('b', '{}')], 2)
    t.ok(version(next) > version(stored) + 1, 'versions go on after the one of the removed resource')
    t.equal(await after.joinTokens.consume('hash', 'vm-1', 501), undefined, 'a used token stays used')
    t.same(await after.nodes.get('vm-1'), node())
    t.same([...(await after.virtualIps.allocate(['n/b'], 1, 9))].sort(), [
      ['n/a', 1],
      ['n/b', 2],
    ])
    t.ok(await after.apiTokens.find('h'))
    t.same(await after.registrations.list(), [registration()])
  })
}

function resource(name: string, document: string, expectedVersion?: number) {
  const write = { kind: 'K', namespace: 'n', name, document }
  return expectedVersion === undefined ? write : { ...write, expectedVersion }
}

function version(stored: { readonly version: number } | undefined): number {
  if (stored === undefined) throw new Error('nothing was stored')
  return stored.version
}

function token(): JoinTokenRecord {
  return { id: 'id', hash: 'hash', node: 'vm-1', identities: ['default/web'], createdAt: 1, expiresAt: 1000 }
}

function node(): NodeRecord {
  return { name: 'vm-1', identities: ['default/web'], joinedAt: 5, keyHash: 'key', banned: false }
}

function registration(values: Partial<RegistrationRecord> = {}): RegistrationRecord {
  const ports = { http: 8080 }
  const base = {
    node: 'vm-1',
    name: 'pay-1',
    group: 'default/pay',
    address: '10.0.0.1',
    ports,
    maintenance: '',
    since: 3,
  }
  return { ...base, ...values }
}
