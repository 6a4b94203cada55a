import t from 'tap'
import { silentLog } from '../../../../../mesh/std/log.ts'
import { createAwsAttestor } from '../../../../../server/identity/attest/aws.ts'
import { createAzureAttestor } from '../../../../../server/identity/attest/azure.ts'
import { createGcpAttestor } from '../../../../../server/identity/attest/gcp.ts'
import { createKeyRing } from '../../../../../server/identity/attest/key-ring.ts'
import { attestorCompliance } from '../../../../compliance/attestor.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { createJwtIssuer } from '../../../../support/jwt-issuer.ts'
import { ofAuthority, openssl } from '../../../../support/openssl.ts'

const hour = 3_600_000
const context = { node: 'vm-1', keyHash: 'k', signal: new AbortController().signal }

t.test('aws', async t => {
  // a little later than the certificates below are made
  const now = Date.now() + 60_000
  const document = {
    accountId: '123456789012',
    region: 'eu-central-1',
    instanceId: 'i-0123456789abcdef0',
    pendingTime: new Date(now - 60_000).toISOString(),
    availabilityZone: 'eu-central-1a',
    imageId: 'ami-1',
    instanceType: 't3.micro',
  }
  const ssl = openssl(t)
  const region = ssl.certificate({ name: 'region', extensions: ofAuthority })
  const other = ssl.certificate({ name: 'region', extensions: ofAuthority })
  const evidence = (value: unknown, by = region, ...args: string[]) =>
    ({ kind: 'aws', payload: ssl.sign(JSON.stringify(value), by, ...args) }) as const
  const attestor = createAwsAttestor({ certificates: region.certificate, maxAgeMs: hour })
  const instance = '123456789012/eu-central-1/i-0123456789abcdef0'

  attestorCompliance(t, async () => ({
    attestor,
    now,
    node: 'vm-1',
    good: () => evidence(document, region, '-nocerts'),
    tooLate: now + hour,
    bad: {
      'signed by a key that is not pinned': () => evidence(document, other),
      'without account': () => evidence({ ...document, accountId: undefined }),
      'without region': () => evidence({ ...document, region: '' }),
      'without instance': () => evidence({ ...document, instanceId: 7 }),
      'of the future': () => evidence({ ...document, pendingTime: new Date(now + hour).toISOString() }),
      'without time': () => evidence({ ...document, pendingTime: 'yesterday' }),
      'that is no object': () => evidence(['document']),
      'with an old digest': () => evidence(document, region, '-md', 'sha1'),
      'with its content elsewhere': () => {
        const [a, b] = [evidence(document), evidence({ ...document, accountId: '999999999999' })]
        const bytes = Buffer.from(a.payload, 'base64')
        const at = bytes.indexOf('123456789012')
        bytes.write('999999999999', at)
        t.not(a.payload, b.payload)
        return { kind: 'aws', payload: bytes.toString('base64') }
      },
    },
  }))

  t.test('is of one instance, whatever document it brings, and signed with or without attributes', async t => {
    for (const args of [[], ['-noattr'], ['-indef', '-stream']]) {
      const { claims, proof } = await attestor.attest(evidence(document, region, ...args), { ...context, now })
      t.match(claims, { account: '123456789012', region: 'eu-central-1', instance: 'i-0123456789abcdef0' })
      t.equal(proof?.id, instance)
    }
  })

  t.test('takes an old document of an instance that has joined with the same key', async t => {
    const kept = { kind: 'aws', grade: 3, instance, claims: {}, at: now }
    const previous = { name: 'vm-1', identities: [], joinedAt: now, keyHash: 'k', banned: false, evidence: kept }
    const later = { ...context, now: now + 100 * hour, previous }
    t.ok(await attestor.attest(evidence(document), later))
    const stranger = { ...later, keyHash: 'other' }
    await t.rejects(attestor.attest(evidence(document), stranger), /running for too long/)
  })

  t.throws(() => createAwsAttestor({ certificates: '', maxAgeMs: hour }), { code: 'WEFT_CONFIG_INVALID' })
})

t.test('azure', async t => {
  // a little later than the certificates below are made
  const now = Date.now() + 60_000
  const written = (time: number) => {
    const [date = '', clock = ''] = new Date(time).toISOString().slice(2, 19).split('T')
    const [year, month, day] = date.split('-')
    return `${month}/${day}/${year} ${clock} -0000`
  }
  const stamp = (from: number, to: number) => ({ createdOn: written(from), expiresOn: written(to) })
  const document = { vmId: 'vm-id', subscriptionId: 'sub-id', sku: '12', timeStamp: stamp(now, now + 6 * hour) }
  const ssl = openssl(t)
  const root = ssl.certificate({ name: 'root', extensions: ofAuthority })
  const other = ssl.certificate({ name: 'root', extensions: ofAuthority })
  const named = (issuer: typeof root, dns: string) =>
    ssl.certificate({
      name: 'metadata',
      issuer,
      extensions: ['basicConstraints=CA:FALSE', `subjectAltName=DNS:${dns}`],
    })
  const service = named(root, 'eu.metadata.azure.com')
  const evidence = (value: unknown, by = service, ...args: string[]) =>
    ({ kind: 'azure', payload: ssl.sign(JSON.stringify(value), by, ...args) }) as const

  attestorCompliance(t, async () => ({
    attestor: createAzureAttestor({ authorities: root.certificate, domain: 'metadata.azure.com', maxAgeMs: hour }),
    now,
    node: 'vm-1',
    good: () => evidence(document),
    tooLate: now + hour + 2000,
    bad: {
      'below another authority': () => evidence(document, named(other, 'eu.metadata.azure.com')),
      'of another service': () => evidence(document, named(root, 'eu.metadata.azure.com.evil.test')),
      'of a name that ends so': () => evidence(document, named(root, 'evilmetadata.azure.com')),
      'without its certificate': () => evidence(document, service, '-nocerts'),
      'without subscription': () => evidence({ ...document, subscriptionId: '' }),
      'without machine': () => evidence({ ...document, vmId: '' }),
      'that has expired': () => evidence({ ...document, timeStamp: stamp(now - 2000, now - 1000) }),
      'of the future': () => evidence({ ...document, timeStamp: stamp(now + hour, now + 2 * hour) }),
      'without times': () => evidence({ ...document, timeStamp: {} }),
    },
  }))
})

t.test('gcp', async t => {
  const now = 1_795_313_000_000
  const issuer = await createJwtIssuer()
  const keys = createKeyRing({ clock: new FakeClock(), log: silentLog, load: async () => issuer.jwks() })
  const rules = { keys, audience: 'mesh', issuer: 'https://accounts.google.com', maxLifeMs: hour, allowNoExpiry: false }
  const engine = {
    project_id: 'shop',
    project_number: 7,
    zone: 'europe-west3-a',
    instance_id: '42',
    instance_name: 'vm-1',
  }
  const claims = (more: object = {}) => ({
    iss: 'https://accounts.google.com',
    aud: 'mesh',
    sub: '1',
    iat: now / 1000,
    exp: now / 1000 + 3600,
    google: { compute_engine: engine },
    ...more,
  })
  const signed = async (more: object = {}) => ({ kind: 'gcp', payload: await issuer.sign(claims(more)) }) as const
  const attestor = createGcpAttestor(rules)

  attestorCompliance(t, async () => ({
    attestor,
    now,
    node: 'vm-1',
    good: () => signed(),
    tooLate: now + hour + 61_000,
    bad: {
      forged: async () => ({ kind: 'gcp', payload: await issuer.forge(claims()) }),
      'signed by nobody': () => ({ kind: 'gcp', payload: issuer.unsigned(claims()) }),
      'signed by the public key': async () => ({ kind: 'gcp', payload: await issuer.symmetric(claims()) }),
      'for another audience': () => signed({ aud: 'other' }),
      'of another issuer': () => signed({ iss: 'https://accounts.google.com.evil.test' }),
      'in the standard format': () => signed({ google: undefined }),
      'of no instance': () => signed({ google: { compute_engine: { ...engine, instance_id: '' } } }),
    },
  }))

  t.test('says project, zone and region', async t => {
    t.match(await attestor.attest(await signed(), { ...context, now }), {
      instance: 'shop/42',
      claims: { project: 'shop', projectNumber: '7', zone: 'europe-west3-a', region: 'europe-west3', name: 'vm-1' },
      proof: { id: 'shop/42' },
    })
  })
})
